import { createContext, useContext, useEffect, useRef, useState } from 'react';

const TIP = 'tip';

/** Where values stand by the hundred: none of them is a stop for the keyboard. */
export const Dense = createContext(false);

/** A tip for what is no control: the keyboard reaches it, too. */
export function useTip(tip: string | undefined) {
  const dense = useContext(Dense);
  return { 'data-tip': tip, tabIndex: tip && !dense ? 0 : undefined };
}

/**
 * Tips for everything with `data-tip`: one element for the whole page, shown on hover, focus and touch. Rows by the thousand carry only
 * an attribute. What has the focus is described by it.
 */
export function Tips() {
  const [tip, setTip] = useState<{ text: string; x: number; y: number; below: boolean } | null>(null);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let described: Element | null = null;
    const describe = (target: Element | null) => {
      described?.removeAttribute('aria-describedby');
      target?.setAttribute('aria-describedby', TIP);
      described = target;
    };
    const show = (event: Event) => {
      const target = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-tip]') : null;
      if (!target?.dataset.tip) return setTip(null);
      if (event.type === 'focusin' && !target.hasAttribute('aria-describedby')) describe(target);
      const { left, top, bottom, width } = target.getBoundingClientRect();
      const below = top < 64;
      setTip({ text: target.dataset.tip, x: left + width / 2, y: below ? bottom + 6 : top - 6, below });
    };
    const hide = (event: Event) => {
      if (event instanceof KeyboardEvent && event.key !== 'Escape') return;
      if (event.type === 'focusout') describe(null);
      setTip(null);
    };
    const shows = ['pointerover', 'focusin'];
    const hides = ['focusout', 'scroll', 'keydown'];
    for (const name of shows) document.addEventListener(name, show, true);
    for (const name of hides) document.addEventListener(name, hide, true);
    return () => {
      for (const name of shows) document.removeEventListener(name, show, true);
      for (const name of hides) document.removeEventListener(name, hide, true);
    };
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element || !tip) return;
    const half = element.offsetWidth / 2;
    const x = Math.min(Math.max(tip.x, half + 8), window.innerWidth - half - 8);
    element.style.left = `${x - half}px`;
    element.style.top = `${tip.below ? tip.y : tip.y - element.offsetHeight}px`;
  }, [tip]);
  return (
    <div
      ref={box}
      id={TIP}
      role="tooltip"
      hidden={!tip}
      className="pointer-events-none fixed z-50 max-w-80 break-words rounded-md bg-ink px-2 py-1 text-paper text-xs shadow-md"
    >
      {tip?.text}
    </div>
  );
}
