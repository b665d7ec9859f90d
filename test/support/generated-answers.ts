// Answers from a seed: right ones of every shape that RFC 9112 knows, and such with mistakes of every kind that
// readers have been known to take differently. The same seed gives the same answers.

export interface GeneratedAnswer {
  readonly method: 'GET' | 'HEAD';
  readonly bytes: Buffer;
}

/** Numbers from 0 up to, not including, 1; the same ones for a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class AnswerGenerator {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  next(): GeneratedAnswer {
    const method = this.#random() < 0.1 ? 'HEAD' : 'GET';
    let text = this.#answer(method);
    if (this.#random() < 0.6) for (let count = 1 + this.#below(3); count > 0; count--) text = this.#mutated(text);
    return { method, bytes: Buffer.from(text, 'latin1') };
  }

  /** The bytes in pieces, cut at random places. */
  cut(bytes: Buffer): Buffer[] {
    const places = Array.from({ length: this.#below(7) }, () => this.#below(bytes.length + 1)).toSorted(
      (a, b) => a - b,
    );
    const pieces: Buffer[] = [];
    let from = 0;
    for (const to of [...places, bytes.length]) {
      if (to > from) pieces.push(bytes.subarray(from, to));
      from = to;
    }
    return pieces;
  }

  #below(most: number): number {
    return Math.floor(this.#random() * most);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!;
  }

  #answer(method: string): string {
    let text = '';
    while (this.#random() < 0.1) text += `HTTP/1.1 ${this.#pick(INTERIM)}\r\n${this.#fields(2)}\r\n`;
    const status = this.#pick(STATUSES);
    text += `HTTP/1.${this.#random() < 0.9 ? 1 : 0} ${status}${this.#pick(REASONS)}\r\n${this.#fields(6)}`;
    if (this.#random() < 0.2) text += `Connection: ${this.#pick(CONNECTIONS)}\r\n`;
    const body = this.#body();
    const isBodyless = method === 'HEAD' || status === 204 || status === 304;
    switch (this.#below(4)) {
      case 0:
        return `${text}\r\n${isBodyless ? '' : body}`;
      case 1:
        return `${text}${this.#pick(CODINGS)}\r\n\r\n${isBodyless ? '' : this.#chunked(body)}`;
      default:
        return `${text}${this.#pick(LENGTHS)}${body.length}\r\n\r\n${isBodyless ? '' : body}`;
    }
  }

  #fields(most: number): string {
    let text = '';
    for (let count = this.#below(most); count > 0; count--)
      text += `${this.#pick(NAMES)}:${this.#pick(SPACES)}${this.#pick(VALUES)}${this.#pick(SPACES)}\r\n`;
    return text;
  }

  #body(): string {
    return this.#pick(BODIES).repeat(this.#below(12));
  }

  #chunked(body: string): string {
    let text = '';
    for (let at = 0; at < body.length;) {
      const size = 1 + this.#below(Math.min(20, body.length - at));
      text += `${this.#size(size)}${this.#pick(EXTENSIONS)}\r\n${body.slice(at, at + size)}\r\n`;
      at += size;
    }
    return `${text}${this.#pick(LAST_SIZES)}${this.#pick(EXTENSIONS)}\r\n${this.#random() < 0.3 ? this.#fields(3) : ''}\r\n`;
  }

  #size(size: number): string {
    const digits = size.toString(16);
    return this.#random() < 0.1 ? `00${digits.toUpperCase()}` : digits;
  }

  #mutated(text: string): string {
    const at = this.#below(text.length);
    switch (this.#below(9)) {
      case 0:
        return text.slice(0, at) + text.slice(at + 1);
      case 1:
        return text.slice(0, at) + this.#pick(NASTY) + text.slice(at);
      case 2:
        return text.slice(0, at) + this.#pick(NASTY) + text.slice(at + 1);
      case 3:
        return text.slice(0, at);
      case 4:
        return text + this.#pick(EXCESS);
      case 5:
        return this.#atLineEnd(text, (before, after) => `${before}\r\n${this.#pick(LINES)}${after}`);
      case 6:
        return this.#atLineEnd(text, (before, after) => before + this.#pick(LINE_ENDS) + after);
      case 7: {
        const to = Math.min(text.length, at + 1 + this.#below(30));
        return text.slice(0, to) + text.slice(at, to) + text.slice(to);
      }
      default:
        return text.replace(this.#pick(FRAMES), this.#pick(REFRAMED));
    }
  }

  /** Rewrites the text around one of its line ends. */
  #atLineEnd(text: string, rewritten: (before: string, after: string) => string): string {
    const ends = [...text.matchAll(/\r\n/g)];
    if (ends.length === 0) return text;
    const { index } = this.#pick(ends);
    return rewritten(text.slice(0, index), text.slice(index + 2));
  }
}

const INTERIM = ['100 Continue', '102 Processing', '103 Early Hints'];
const STATUSES = [200, 200, 200, 201, 204, 205, 206, 301, 304, 404, 418, 500, 599];
const REASONS = [' OK', ' OK', ' Not Quite\tSo', ' ', ' \xe4\xf6', ' a  b '];
const CONNECTIONS = ['close', 'keep-alive', 'Close, X-Hop', 'x-hop', 'keep-alive, upgrade'];
const CODINGS = ['Transfer-Encoding: chunked', 'transfer-encoding: Chunked', 'TRANSFER-ENCODING:chunked'];
const LENGTHS = ['Content-Length: ', 'content-length:', 'CONTENT-LENGTH: \t', 'Content-Length: 00'];
const NAMES = ['X', 'Set-Cookie', 'x-hop', "a!#$%&'*+-.^_`|~9", 'Date', 'Content-Type', 'Keep-Alive', 'Trailer'];
const VALUES = ['', 'a', 'a, b;c="d"', 'timeout=5, max=3', '\xe9\xff\x80', 'x'.repeat(300), 'a \t b', ': :', '\x7f'];
const SPACES = ['', ' ', ' ', '\t', ' \t '];
const BODIES = ['a', '\r\n', 'HTTP/1.1 200 OK\r\n\r\n', '0\r\n\r\n', '\0\xff', 'some text. '];
const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="b;\\"\\\\c"', ';a=b;c', ' ;a', ';a =b', ';', ';=', ';a="\r'];
const LAST_SIZES = ['0', '0', '0', '000'];
const NASTY = ['\r', '\n', '\0', ' ', '\t', ':', ';', ',', '0', '9', 'f', '+', '-', '\x7f', '\xa0', '\x0b', '"', '='];
const EXCESS = ['\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'x', '0\r\n\r\n', '\0'];
const LINES = [
  ' folded\r\n',
  '\tfolded\r\n',
  'Content-Length: 3\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding\r\n',
  'X : y\r\n',
  ': y\r\n',
  'Connection: close\r\n',
  '\r\n',
];
const LINE_ENDS = ['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', ''];
const FRAMES = [/(?<=content-length:\s*)\d+/i, /(?<=transfer-encoding:\s*)chunked/i, /HTTP\/1\.\d/, / \d\d\d/];
const REFRAMED = [
  '+5',
  '-1',
  '5, 5',
  '5 5',
  '0x5',
  '5.0',
  '99999999999999999999',
  'chunked, chunked',
  'gzip',
  'chunked;q=1',
  'xchunked',
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/0.9',
  'http/1.1',
  ' 099',
  ' 600',
  ' 101',
  ' 20',
  ' 2000',
];
