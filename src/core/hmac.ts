// HMAC-SHA-256 (RFC 2104) as two one-shot hashes. An object of `createHmac` has memory outside of the heap that
// stays until it is collected, and a stream of unknown keys makes several for each of them; it also takes twice
// as long. For the same reason short texts are hashed in a buffer that is used again.
import { hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Every key's text fits in place. */
const ROOM = 640;

/** SHA-256 of a text with one character a byte, as a text with one character a byte. */
export function sha256Text(text: string): string {
  return hashBehind(plain, 0, text);
}

/** Holds a key: never logged, never serialised. */
export class HmacSha256 {
  /** The padded keys, and room for what is hashed behind each. */
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
  of(text: string): string {
    this.#outer.write(hashBehind(this.#inner, BLOCK_BYTES, text), BLOCK_BYTES, 'latin1');
    return hash('sha256', this.#outer, 'base64url');
  }
}

const plain = Buffer.alloc(ROOM);

/** SHA-256 of the first `start` bytes of a buffer and of a text, for which there may be room behind them. */
function hashBehind(buffer: Buffer, start: number, text: string): string {
  if (start + text.length > buffer.length) {
    return hash('sha256', Buffer.concat([buffer.subarray(0, start), Buffer.from(text, 'latin1')]), 'latin1');
  }
  const end = start + buffer.write(text, start, 'latin1');
  const digest = hash('sha256', buffer.subarray(0, end), 'latin1');
  // Nothing of a key's text stays.
  buffer.fill(0, start, end);
  return digest;
}
