// Field lines as RFC 9112 section 5 has them and no other way: a token, a colon, a value without control
// characters, CRLF. No folding, no bare CR or LF, nothing between name and colon.
import { BOUNDS } from '../core/bounds.ts';
import { fieldName } from './field-names.ts';
import { COLON, CR, HTAB, LF, SP, TEXT, TOKEN } from './octets.ts';

/** A position that stands for: the rest of the line is not there yet. */
export const INCOMPLETE = -1;
/** A position that stands for: this is no such line; {@link FieldLines.flaw} says why. */
export const FLAWED = -2;

export class FieldLines {
  /** Name, value, name, value: one character an octet, without the whitespace around values. */
  fields: string[] = [];
  /** Where the line begins that was not there as a whole. */
  resumeAt = 0;
  flaw = '';
  /** Values of the fields that frame; what they mean together is judged elsewhere. */
  contentLength: string | null = null;
  transferEncoding: string | null = null;
  /** All Connection fields as one list. */
  connection: string | null = null;
  keepAlive: string | null = null;
  /** A field that frames stood twice, or has a tab behind its value, which is none of it but not to every reader. */
  isFramedOddly = false;

  /** Forgets the lines read so far; the list of fields is left to who has it. */
  clear(): void {
    this.fields = [];
    this.flaw = '';
    this.contentLength = null;
    this.transferEncoding = null;
    this.connection = null;
    this.keepAlive = null;
    this.isFramedOddly = false;
  }

  /**
   * Reads lines up to the empty one.
   * @returns the position behind it, {@link INCOMPLETE} or {@link FLAWED}
   */
  read(bytes: Buffer, start: number, end: number): number {
    const windowEnd = Math.min(end, start + WINDOW);
    const window = bytes.toString('latin1', start, windowEnd);
    let at = start;
    for (;;) {
      this.resumeAt = at;
      if (at >= end) return INCOMPLETE;
      if (bytes[at] === CR) return this.#lineEnd(bytes, at, end);
      let hash = 0;
      let colon = at;
      for (; colon < end && TOKEN[bytes[colon]!] !== 0; colon++) hash = (Math.imul(hash, 31) + bytes[colon]!) | 0;
      if (colon === end) return INCOMPLETE;
      if (colon === at || bytes[colon] !== COLON) return this.#flawed(at, 'a field name');
      let from = colon + 1;
      while (from < end && (bytes[from] === SP || bytes[from] === HTAB)) from++;
      let lineEnd = from;
      while (lineEnd < end && TEXT[bytes[lineEnd]!] !== 0) lineEnd++;
      const next = this.#lineEnd(bytes, lineEnd, end);
      if (next < 0) return next;
      let to = lineEnd;
      while (to > from && (bytes[to - 1] === SP || bytes[to - 1] === HTAB)) to--;
      if (this.fields.length >= 2 * BOUNDS.upstreamFields) return this.#flawed(at, 'too many fields');
      const isInWindow = lineEnd <= windowEnd;
      const text = isInWindow ? window.substring(at - start, colon - start) : bytes.toString('latin1', at, colon);
      const name = fieldName(bytes, at, colon, text, hash);
      const value = isInWindow ? window.substring(from - start, to - start) : bytes.toString('latin1', from, to);
      this.fields.push(name.text, value);
      switch (name.meaning) {
        case 'none':
          break;
        case 'content-length':
          if (this.contentLength !== null || hasTab(bytes, to, lineEnd)) this.isFramedOddly = true;
          this.contentLength = value;
          break;
        case 'transfer-encoding':
          if (this.transferEncoding !== null || hasTab(bytes, to, lineEnd)) this.isFramedOddly = true;
          this.transferEncoding = value;
          break;
        case 'connection':
          this.connection = this.connection === null ? value : `${this.connection},${value}`;
          break;
        case 'keep-alive':
          this.keepAlive = value;
          break;
      }
      at = next;
    }
  }

  /** The position behind CRLF, where that is what stands there. */
  #lineEnd(bytes: Buffer, at: number, end: number): number {
    if (at >= end) return INCOMPLETE;
    if (bytes[at] !== CR) return this.#flawed(at, 'a control character');
    if (at + 1 >= end) return INCOMPLETE;
    return bytes[at + 1] === LF ? at + 2 : this.#flawed(at, 'a bare CR');
  }

  #flawed(at: number, flaw: string): number {
    this.resumeAt = at;
    this.flaw = flaw;
    return FLAWED;
  }
}

function hasTab(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] === HTAB) return true;
  return false;
}

/** What of the octets is made a text at once, so that names and values can be cut out of it. */
const WINDOW = 2048;
