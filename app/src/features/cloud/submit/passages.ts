/** Counting the passages of an input, refusing what the engine would (`crates/engines/src/embed/input.rs`). */
import { type Format, LIMITS } from './spec';

export class InputError extends Error {
  readonly hint = 'Correct the file, and choose it again.';
}

const BLANK = /^\p{White_Space}*$/u;
const NEWLINE = 10;
const RETURN = 13;

export function countPassages(bytes: Uint8Array, format: Format): number {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const encoder = new TextEncoder();
  let from = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  let passages = 0;
  for (let number = 1; from <= bytes.length; number++) {
    const end = bytes.indexOf(NEWLINE, from);
    const next = end < 0 ? bytes.length : end;
    const until = next > from && bytes[next - 1] === RETURN ? next - 1 : next;
    const wrong = (what: string) => new InputError(`line ${number}: ${what}`);
    if (until - from > LIMITS.line)
      throw wrong(`it has ${until - from} bytes, and ${LIMITS.line} are the most; split the passage`);
    let line: string;
    try {
      line = text.decode(bytes.subarray(from, until));
    } catch {
      throw wrong('it isn’t UTF-8; save the file as UTF-8');
    }
    if (!BLANK.test(line)) {
      if (passages === LIMITS.passages)
        throw wrong(`a job takes ${LIMITS.passages} passages; put the rest into another`);
      if (format === 'jsonl') checkJson(line, encoder, wrong);
      passages += 1;
    }
    from = next + 1;
  }
  if (passages === 0) throw new InputError('the file has no passages: every line is blank');
  return passages;
}

function checkJson(line: string, encoder: TextEncoder, wrong: (what: string) => InputError) {
  const expected = 'it isn’t an object {"id": string, "text": string} (“id” may be left out)';
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw wrong(`${expected}: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(expected);
  const { id, text, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw wrong(`${expected}: “${unknown.slice(0, 40)}” is unknown`);
  if (typeof text !== 'string' || (id !== undefined && id !== null && typeof id !== 'string')) throw wrong(expected);
  if (typeof id === 'string' && encoder.encode(id).length > LIMITS.id)
    throw wrong(`its id is longer than ${LIMITS.id} bytes`);
}
