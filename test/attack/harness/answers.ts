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
 * @param toHead which answers, counted from 0, are to HEAD: they have no body, whatever they say
 * @throws Error where the bytes are no answers
 */
export function readAnswers(text: string, toHead: readonly number[] = []): ReadAnswers {
  const statuses: number[] = [];
  const interim: number[] = [];
  const bodies: string[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end === -1) return { statuses, interim, bodies, isWhole: false };
    const head = text.slice(at, end);
    const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d) [\t\x20-\x7e]*(?:\r\n|$)/.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error(`no answer: ${JSON.stringify(text.slice(at, at + 200))}`);
    at = end + 4;
    if (status === 101) return { statuses: [...statuses, status], interim, bodies: [...bodies, ''], isWhole: true };
    if (status < 200) {
      interim.push(status);
      continue;
    }
    statuses.push(status);
    if (toHead.includes(statuses.length - 1)) {
      bodies.push('');
      continue;
    }
    const length = /^content-length: *(\d+)\r?$/im.exec(head)?.[1];
    if (/^transfer-encoding: *chunked\r?$/im.test(head)) {
      const last = text.indexOf('0\r\n\r\n', at);
      if (last === -1) return { statuses, interim, bodies: [...bodies, text.slice(at)], isWhole: false };
      bodies.push(text.slice(at, last));
      at = last + 5;
    } else {
      const to = length === undefined ? text.length : at + Number(length);
      bodies.push(text.slice(at, to));
      if (to > text.length) return { statuses, interim, bodies, isWhole: false };
      at = to;
    }
  }
  return { statuses, interim, bodies, isWhole: true };
}
