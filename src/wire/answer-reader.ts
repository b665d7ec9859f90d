// Reads one answer out of whatever pieces its bytes come in. Each read says what it found: the final head, a
// stretch of the body, the end, or the flaw that makes all that follows unreadable.
import { BOUNDS } from '../core/bounds.ts';
import { Chunks } from './chunks.ts';
import { FieldLines, FLAWED } from './field-lines.ts';
import { bodyFraming, CHUNKED, hasOption, UNCLEAR } from './framing.ts';
import { HeldLines } from './held-lines.ts';
import { StatusLine } from './status-line.ts';

/** An answer's final head. */
export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, as received: one character an octet. */
  readonly fields: readonly string[];
}

type Part = 'status-line' | 'fields' | 'length' | 'chunks' | 'trailers' | 'until-close' | 'over';

export class AnswerReader {
  /** Set by the read that completed the head, and by no other. */
  head: AnswerHead | null = null;
  /** The stretch of the body that the last read found: part of what was read, or of a copy. */
  body: Buffer = NOTHING;
  from = 0;
  to = 0;
  /** Whether the answer is whole. */
  isWhole = false;
  /** Bytes that came behind a whole answer. */
  excess = 0;
  /** Why it cannot be read; empty where it can. */
  flaw = '';
  /** Whether a byte of it came. */
  hasBegun = false;
  /** Whether the connection may carry another answer. */
  isReusable = true;
  /** How long it may idle by the server's word, seconds; null without one. */
  keepAliveSeconds: number | null = null;
  /** What is odd about it, though it can be read; null mostly. */
  oddity: string | null = null;
  /** Name, value, name, value; there once it is whole. */
  trailers: readonly string[] = NO_FIELDS;
  readonly #statusLine = new StatusLine();
  readonly #lines = new FieldLines();
  readonly #chunks = new Chunks();
  readonly #held = new HeldLines();
  #part: Part = 'status-line';
  #isToHead = false;
  /** Bytes of the body that are still to come. */
  #left = 0;
  #interim = 0;
  /** Bytes of heads, or of trailers, that were read. */
  #lineBytes = 0;

  /** Begins a new answer, to a request with this method. */
  begin(method: string): void {
    this.#part = 'status-line';
    this.#isToHead = method === 'HEAD';
    this.#interim = 0;
    this.#lineBytes = 0;
    this.isWhole = false;
    this.excess = 0;
    this.flaw = '';
    this.hasBegun = false;
    this.isReusable = true;
    this.keepAliveSeconds = null;
    this.oddity = null;
    this.trailers = NO_FIELDS;
  }

  /** Reads bytes, which the body may be moved together in. */
  read(bytes: Buffer, length: number): void {
    this.head = null;
    this.from = 0;
    this.to = 0;
    this.hasBegun = true;
    let source = bytes;
    let at = 0;
    let end = length;
    if (this.#held.isHolding) {
      if (!this.#held.add(bytes, length)) return this.#checkLineBytes(this.#held.length);
      source = this.#held.bytes;
      end = this.#held.length;
    }
    this.body = source;
    if (this.#part === 'status-line' || this.#part === 'fields') {
      at = this.#readHeads(source, at, end);
      if (this.flaw !== '') return;
      if (this.#part === 'status-line' || this.#part === 'fields') return this.#held.hold(source, at, end);
    }
    at = this.#readBody(source, at, end);
    if (this.flaw !== '') return;
    if (this.#part === 'trailers' && !this.isWhole) return this.#held.hold(source, at, end);
    this.#held.release();
    if (this.isWhole) this.excess += end - at;
  }

  /** The connection has ended: true if that is a proper end of this answer. */
  close(): boolean {
    if (this.#part !== 'until-close') return false;
    this.isWhole = true;
    return true;
  }

  /** Heads up to the final one; gives the position behind what was read. */
  #readHeads(bytes: Buffer, start: number, end: number): number {
    const line = this.#statusLine;
    const lines = this.#lines;
    for (let at = start; ;) {
      if (this.#part === 'status-line') {
        const next = line.read(bytes, at, end);
        if (next === FLAWED) return this.#flawed(line.flaw);
        if (next < 0) return this.#counted(at, at, end);
        lines.clear();
        this.#part = 'fields';
        this.#counted(at, next, next);
        at = next;
      }
      const next = lines.read(bytes, at, end);
      if (next === FLAWED) return this.#flawed(lines.flaw);
      if (next < 0) return this.#counted(at, lines.resumeAt, end);
      this.#counted(at, next, next);
      at = next;
      if (this.flaw !== '') return at;
      const framing = bodyFraming(line.status, line.minor, this.#isToHead, lines);
      if (framing === UNCLEAR) return this.#flawed('framing');
      if (line.status >= 200) {
        this.#headEnded(framing);
        return at;
      }
      this.#interimEnded();
      if (this.flaw !== '') return at;
      this.#part = 'status-line';
    }
  }

  #interimEnded(): void {
    const { status, minor } = this.#statusLine;
    const { connection } = this.#lines;
    if (status === 101 || ++this.#interim > BOUNDS.upstreamInterim) {
      this.#flawed(`status ${status}`);
    } else if (minor === 0 || (connection !== null && hasOption(connection, 'close'))) {
      // It announces an end that may come before the final answer or behind it.
      this.isReusable = false;
      this.oddity = 'an interim answer that ends the connection';
    }
  }

  #headEnded(framing: number): void {
    const { status, reason, minor } = this.#statusLine;
    const { fields, connection, keepAlive } = this.#lines;
    this.head = { status, reason, fields };
    if (minor === 0 || (connection !== null && hasOption(connection, 'close'))) this.isReusable = false;
    if (keepAlive !== null) this.keepAliveSeconds = secondsOf(keepAlive);
    if (framing >= 0) {
      // An answer to HEAD may have announced a body, and a server that sends it after all is not rare.
      if (this.#isToHead) this.isReusable = false;
      this.#left = framing;
      this.#part = 'length';
      if (framing === 0) this.#end();
    } else if (framing === CHUNKED) {
      this.#chunks.clear();
      this.#part = 'chunks';
    } else if (this.oddity !== null) {
      this.head = null;
      this.#flawed('an end that was announced before');
    } else {
      this.isReusable = false;
      this.#part = 'until-close';
    }
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    switch (this.#part) {
      case 'length': {
        const length = Math.min(this.#left, end - start);
        this.#left -= length;
        this.from = start;
        this.to = start + length;
        if (this.#left === 0) this.#end();
        return this.to;
      }
      case 'until-close':
        this.from = start;
        this.to = end;
        return end;
      case 'chunks': {
        const at = this.#chunks.read(bytes, start, end);
        this.from = this.#chunks.from;
        this.to = this.#chunks.to;
        if (this.#chunks.flaw !== '') return this.#flawed(this.#chunks.flaw);
        if (!this.#chunks.isLast) return at;
        this.#part = 'trailers';
        this.#lineBytes = 0;
        this.#lines.clear();
        return this.#readTrailers(bytes, at, end);
      }
      case 'trailers':
        return this.#readTrailers(bytes, start, end);
      case 'status-line':
      case 'fields':
      case 'over':
        return start;
    }
  }

  #readTrailers(bytes: Buffer, start: number, end: number): number {
    const lines = this.#lines;
    const next = lines.read(bytes, start, end);
    if (next === FLAWED) return this.#flawed(lines.flaw);
    if (next < 0) return this.#counted(start, lines.resumeAt, end);
    this.#counted(start, next, next);
    if (this.flaw !== '') return next;
    if (lines.contentLength !== null || lines.transferEncoding !== null) return this.#flawed('framing in trailers');
    this.trailers = lines.fields;
    this.#end();
    return next;
  }

  #end(): void {
    this.#part = 'over';
    this.isWhole = true;
  }

  /** Counts lines that were read, from one place to another, against their bound; what is held up to `end` counts too. */
  #counted(from: number, to: number, end: number): number {
    this.#lineBytes += to - from;
    this.#checkLineBytes(end - to);
    return to;
  }

  #checkLineBytes(heldBytes: number): void {
    const most = this.#part === 'trailers' ? BOUNDS.upstreamTrailerBytes : BOUNDS.upstreamHeaderBytes;
    if (this.#lineBytes + heldBytes > most) this.#flawed('too large a head');
  }

  #flawed(flaw: string): number {
    this.flaw = flaw;
    this.isReusable = false;
    return 0;
  }
}

const NOTHING = Buffer.alloc(0);
const NO_FIELDS: readonly string[] = [];

/** The `timeout` of a Keep-Alive field. */
function secondsOf(keepAlive: string): number | null {
  const match = /(?:^|[,\s])timeout=(\d{1,9})(?:$|[,\s])/i.exec(keepAlive);
  return match ? Number(match[1]) : null;
}
