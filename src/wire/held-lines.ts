// The beginning of a line whose rest has not come yet. Lines are looked at again only once one has ended, so
// that a head that comes octet by octet costs no more than one that comes at once.
import { LF } from './octets.ts';

export class HeldLines {
  /** Those of which the first `length` are held. */
  bytes: Buffer = NOTHING;
  length = 0;

  get isHolding(): boolean {
    return this.length > 0;
  }

  /** Adds what came. Whether there is a whole line now. */
  add(bytes: Buffer, length: number): boolean {
    const total = this.length + length;
    if (total > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, total));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    bytes.copy(this.bytes, this.length, 0, length);
    const from = this.length;
    this.length = total;
    const lineEnd = this.bytes.indexOf(LF, from);
    return lineEnd !== -1 && lineEnd < total;
  }

  /** Holds what stands between two places, which may be among what is held; what stands before is left as it is. */
  hold(bytes: Buffer, from: number, to: number): void {
    const length = to - from;
    if (bytes !== this.bytes || from > 0) {
      this.bytes = length === 0 ? NOTHING : Buffer.allocUnsafe(Math.max(LEAST, length));
      bytes.copy(this.bytes, 0, from, to);
    }
    this.length = length;
  }

  /** Holds nothing any more; the bytes are whose who has them. */
  release(): void {
    if (this.length === 0) return;
    this.length = 0;
    this.bytes = NOTHING;
  }
}

const NOTHING = Buffer.alloc(0);
const LEAST = 256;
