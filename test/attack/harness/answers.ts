// Reads what a client got as HTTP/1.1 answers, strictly: an attack must not leave a client with bytes that it
// could take for something else either.

export interface ReadAnswers {
  /** Final statuses, in order; 101 ends them. */
  readonly statuses: readonly number[];
  /** The others, in order. */
  readonly interim: readonly number[];
  /** Whether what came ends with a whole answer. */
  readonly isWhole: boolean;
  /** Bodies, one character a byte. */
  readonly bodies: readonly string[];
}

/**
 * @param toHead which answers, counted from 0, are to HEAD: they have no body, whatever they say; `maybe`: any of which
 *   nothing, or the next answer, follows
 * @throws Error where the bytes are no answers
 */
export function readAnswers(text: string, toHead: readonly number[] | 'maybe' = []): ReadAnswers {
  const statuses: number[] = [];
  const interim: number[] = [];
  const bodies: string[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end === -1) return { statuses, interim, bodies, isWhole: false };
    const head = text.slice(at, end);
    const flawed = head
      .split('\r\n')
      .slice(1)
      .find((line) => !FIELD.test(line));
    if (flawed !== undefined) throw new Error(`no field line: ${JSON.stringify(flawed)}`);
    const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d) [\t\x20-\x7e]*(?:\r\n|$)/.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error(`no answer: ${JSON.stringify(text.slice(at, at + 200))}`);
    at = end + 4;
    if (status === 101) return { statuses: [...statuses, status], interim, bodies: [...bodies, ''], isWhole: true };
    if (status < 200) {
      interim.push(status);
      continue;
    }
    statuses.push(status);
    const isToHead =
      toHead === 'maybe'
        ? at === text.length || text.startsWith('HTTP/1.1 ', at)
        : toHead.includes(statuses.length - 1);
    if (isToHead || status === 204 || status === 304) {
      bodies.push('');
      continue;
    }
    const length = /^content-length: *(\d+)\r?$/im.exec(head)?.[1];
    if (/^transfer-encoding: *chunked\r?$/im.test(head)) {
      const { body, end: to } = chunksAt(text, at);
      bodies.push(body);
      if (to === undefined) return { statuses, interim, bodies, isWhole: false };
      at = to;
    } else {
      const to = length === undefined ? text.length : at + Number(length);
      bodies.push(text.slice(at, to));
      if (to > text.length) return { statuses, interim, bodies, isWhole: false };
      at = to;
    }
  }
  return { statuses, interim, bodies, isWhole: true };
}

const FIELD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;

/** The data of chunks and the place behind them; none where they break off. */
function chunksAt(text: string, start: number): { readonly body: string; readonly end: number | undefined } {
  let body = '';
  for (let at = start; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return { body, end: undefined };
    const digits = text.slice(at, lineEnd);
    if (!/^[0-9A-Fa-f]{1,12}$/.test(digits)) throw new Error(`chunk size ${JSON.stringify(digits)}`);
    const size = Number.parseInt(digits, 16);
    if (size === 0) return { body, end: trailersEnd(text, lineEnd + 2) };
    const from = lineEnd + 2;
    at = from + size + 2;
    body += text.slice(from, from + size);
    if (at > text.length) return { body, end: undefined };
    if (text.slice(at - 2, at) !== '\r\n') throw new Error('a chunk without its CRLF');
  }
}

function trailersEnd(text: string, start: number): number | undefined {
  for (let at = start; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    if (lineEnd === at) return at + 2;
    const line = text.slice(at, lineEnd);
    if (!FIELD.test(line)) throw new Error(`no trailer: ${JSON.stringify(line)}`);
    at = lineEnd + 2;
  }
}
