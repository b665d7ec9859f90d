// The chunked coding of RFC 9112 section 7.1, undone in place: the data of all chunks in one read is moved
// together, so that it can be handed on as one piece. Extensions are checked and dropped.
import { BOUNDS } from '../core/bounds.ts';
import { BACKSLASH, CR, DQUOTE, EQUALS, HEX, LF, SEMICOLON, TEXT, TOKEN } from './octets.ts';

/** What the next octet belongs to. */
type State = 'size' | 'name' | 'value' | 'quoted' | 'escaped' | 'unquoted' | 'size-lf' | 'data' | 'data-cr' | 'data-lf';

export class Chunks {
  /** The data found by the last {@link read}. */
  from = 0;
  to = 0;
  /** Whether the last chunk's line was read; trailer lines follow. */
  isLast = false;
  flaw = '';
  #state: State = 'size';
  #size = 0;
  #digits = 0;
  /** Octets of the present chunk's line behind its size. */
  #extension = 0;
  /** Octets of the present token, or 0 where one has to begin. */
  #token = 0;

  /** Begins anew, with a body's first chunk. */
  clear(): void {
    this.isLast = false;
    this.flaw = '';
    this.#beginLine();
  }

  /**
   * Reads on, and moves the data together where it stands.
   * @returns the position behind what was read: the end, or behind the last chunk's line, or of a flaw
   */
  read(bytes: Buffer, start: number, end: number): number {
    this.from = start;
    this.to = start;
    let at = start;
    while (at < end) {
      if (this.#state === 'data') {
        const length = Math.min(this.#size, end - at);
        this.#gather(bytes, at, length);
        this.#size -= length;
        at += length;
        if (this.#size === 0) this.#state = 'data-cr';
      } else {
        if (!this.#step(bytes[at]!)) {
          this.flaw = `a chunk's ${this.#state}`;
          return at;
        }
        at++;
        if (this.isLast) return at;
      }
    }
    return at;
  }

  #gather(bytes: Buffer, at: number, length: number): void {
    if (this.to === this.from) {
      this.from = at;
      this.to = at + length;
    } else {
      bytes.copyWithin(this.to, at, at + length);
      this.to += length;
    }
  }

  #beginLine(): void {
    this.#state = 'size';
    this.#size = 0;
    this.#digits = 0;
    this.#extension = 0;
  }

  /** Takes one octet of framing; false where it may not stand there. */
  #step(octet: number): boolean {
    switch (this.#state) {
      case 'size': {
        const digit = HEX[octet]!;
        if (digit === 0) return this.#digits > 0 && this.#behindPart(octet);
        this.#size = this.#size * 16 + digit - 1;
        return ++this.#digits <= BOUNDS.chunkSizeDigits;
      }
      case 'name':
        return this.#inBounds() && this.#tokenPart(octet, octet === EQUALS ? 'value' : null);
      case 'value':
        if (octet === DQUOTE && this.#token === 0) return this.#enter('quoted');
        return this.#inBounds() && this.#tokenPart(octet, null);
      case 'quoted':
        if (octet === DQUOTE) return this.#enter('unquoted');
        if (octet === BACKSLASH) return this.#enter('escaped');
        return this.#inBounds() && TEXT[octet] === 1;
      case 'escaped':
        return this.#inBounds() && TEXT[octet] === 1 && this.#enter('quoted');
      case 'unquoted':
        return this.#behindPart(octet);
      case 'size-lf':
        if (octet !== LF) return false;
        this.isLast = this.#size === 0;
        return this.#enter('data');
      case 'data-cr':
        return octet === CR && this.#enter('data-lf');
      case 'data-lf':
        if (octet !== LF) return false;
        this.#beginLine();
        return true;
      case 'data':
        return false;
    }
  }

  /** An octet of an extension's name or value: part of the token, or behind a whole one. */
  #tokenPart(octet: number, equals: State | null): boolean {
    if (TOKEN[octet] !== 0) {
      this.#token++;
      return true;
    }
    if (this.#token === 0) return false;
    return equals === null ? this.#behindPart(octet) : this.#enter(equals);
  }

  /** Behind the size or an extension: the next extension, or the line's end. */
  #behindPart(octet: number): boolean {
    if (octet === SEMICOLON) return this.#inBounds() && this.#enter('name');
    return octet === CR && this.#enter('size-lf');
  }

  #enter(state: State): true {
    this.#state = state;
    this.#token = 0;
    return true;
  }

  #inBounds(): boolean {
    return ++this.#extension <= BOUNDS.chunkExtensionBytes;
  }
}
