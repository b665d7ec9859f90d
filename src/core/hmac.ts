// HMAC-SHA-256 (RFC 2104) as two one-shot hashes. An object of `createHmac` has memory outside of the heap that
// stays until it is collected, and a stream of unknown keys makes several for each of them; it also takes twice as long.
import { hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Texts up to this are hashed in place, which is every key's text. */
const ROOM = 512;

/** Holds a key: never logged, never serialised. */
export class HmacSha256 {
  /** The padded key, and room for a text behind it. */
  readonly #inner = Buffer.alloc(BLOCK_BYTES + ROOM);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

  constructor(key: Uint8Array) {
    const block = Buffer.alloc(BLOCK_BYTES);
    block.set(key.length > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key);
    for (let at = 0; at < BLOCK_BYTES; at++) {
      this.#inner[at] = block[at]! ^ 0x36;
      this.#outer[at] = block[at]! ^ 0x5c;
    }
  }

  /** Of a text with one character a byte (latin1); base64url. */
  ofText(text: string): string {
    if (text.length > ROOM) return this.ofBytes(Buffer.from(text, 'latin1'));
    const end = BLOCK_BYTES + this.#inner.write(text, BLOCK_BYTES, 'latin1');
    const inner = hash('sha256', this.#inner.subarray(0, end), 'latin1');
    // Nothing of a key's text stays.
    this.#inner.fill(0, BLOCK_BYTES, end);
    return this.#finish(inner);
  }

  /** Of bytes; base64url. */
  ofBytes(bytes: Uint8Array): string {
    return this.#finish(hash('sha256', Buffer.concat([this.#inner.subarray(0, BLOCK_BYTES), bytes]), 'latin1'));
  }

  #finish(inner: string): string {
    this.#outer.write(inner, BLOCK_BYTES, 'latin1');
    return hash('sha256', this.#outer, 'base64url');
  }
}
