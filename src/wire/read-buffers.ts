// Where upstream bytes are read to. One buffer serves all connections, as it is read out before the next read
// begins; a large body is read into buffers of its own, which are handed on without a copy and come back.
import { BOUNDS } from '../core/bounds.ts';

/** What was read here has to be used, or copied, before the read's callback returns. */
export const SHARED: Buffer = Buffer.allocUnsafeSlow(BOUNDS.sharedReadBytes);

const free: Buffer[] = [];

/** A large buffer that nobody else has. */
export function takeLarge(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(BOUNDS.largeReadBytes);
}

/** Gives a large buffer back: nobody will look at it again. */
export function giveLarge(buffer: Buffer): void {
  if (free.length < BOUNDS.largeReadsKept) free.push(buffer);
}
