import { countPassages } from './passages';
import type { Format } from './spec';

self.onmessage = async (event: MessageEvent<{ file: Blob; format: Format }>) => {
  try {
    const bytes = new Uint8Array(await event.data.file.arrayBuffer());
    self.postMessage({ count: countPassages(bytes, event.data.format) });
  } catch (error) {
    self.postMessage({ error: (error as Error).message });
  }
};
