// The status line of RFC 9112 section 4, octet by octet: what is no HTTP/1 is told by its first wrong octet.
import { FLAWED, INCOMPLETE } from './field-lines.ts';
import { CR, LF, SP, TEXT } from './octets.ts';

export class StatusLine {
  /** 0 or 1: of HTTP/1.0 or HTTP/1.1. */
  minor = 1;
  /** 100 to 599. */
  status = 0;
  reason = '';
  flaw = '';

  /**
   * Reads the line.
   * @returns the position behind it, {@link INCOMPLETE} or {@link FLAWED}
   */
  read(bytes: Buffer, start: number, end: number): number {
    const there = Math.min(PREFIX.length, end - start);
    for (let at = 0; at < there; at++) {
      if (bytes[start + at] !== PREFIX[at]) return this.#flawed('no HTTP/1 status line');
    }
    let at = start + PREFIX.length;
    if (at + 5 >= end) return INCOMPLETE;
    this.minor = bytes[at]! - ZERO;
    if (this.minor !== 1 && this.minor !== 0) return this.#flawed('another version of HTTP');
    const hundreds = bytes[at + 2]! - ZERO;
    const tens = bytes[at + 3]! - ZERO;
    const ones = bytes[at + 4]! - ZERO;
    if (bytes[at + 1] !== SP || !isDigit(hundreds) || !isDigit(tens) || !isDigit(ones))
      return this.#flawed('no HTTP/1 status line');
    this.status = hundreds * 100 + tens * 10 + ones;
    if (hundreds < 1 || hundreds > 5) return this.#flawed(`status ${this.status}`);
    at += 5;
    let lineEnd = at;
    if (bytes[at] === SP) while (lineEnd < end && TEXT[bytes[lineEnd]!] !== 0) lineEnd++;
    if (lineEnd + 1 >= end) return lineEnd < end && bytes[lineEnd] !== CR ? this.#flawed('status line') : INCOMPLETE;
    if (bytes[lineEnd] !== CR || bytes[lineEnd + 1] !== LF) return this.#flawed('status line');
    this.reason = lineEnd - at > 1 ? bytes.toString('latin1', at + 1, lineEnd) : '';
    return lineEnd + 2;
  }

  #flawed(flaw: string): number {
    this.flaw = flaw;
    return FLAWED;
  }
}

const PREFIX = Buffer.from('HTTP/1.');
const ZERO = 0x30;

function isDigit(value: number): boolean {
  return value >= 0 && value <= 9;
}
