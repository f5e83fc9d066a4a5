import { hasher } from './hash';

self.onmessage = async (event: MessageEvent<{ file: Blob; piece: number }>) => {
  const { file, piece } = event.data;
  try {
    const state = hasher();
    for (let at = 0; at < file.size; at += piece) {
      state.update(new Uint8Array(await file.slice(at, at + piece).arrayBuffer()));
      self.postMessage({ done: Math.min(at + piece, file.size) });
    }
    self.postMessage({ hash: state.hex() });
  } catch {
    self.postMessage({ error: 'the file can not be read: was it moved or changed?' });
  }
};
