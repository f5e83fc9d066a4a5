// Before the first paint, so that nothing flashes. A file of its own: the content security policy allows no inline script.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('io.theme');
  } catch {}
  if (theme !== 'light' && theme !== 'dark') {
    theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  }
  document.documentElement.dataset.theme = theme;
  // What was made ahead of a page is of the page as it begins: what its address asks for shows when the app runs.
  if (location.search) document.documentElement.dataset.bare = '';
})();
