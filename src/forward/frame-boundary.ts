// Follows WebSocket frames (RFC 6455 section 5.2) as bytes go by, only to know when one has ended: a close
// frame of ours may stand between two frames, never inside of one.

export class FrameBoundary {
  readonly #header = Buffer.alloc(14);
  #headerBytes = 0;
  #payloadLeft = 0;

  /** Whether the bytes so far end with a whole frame. */
  get isBetweenFrames(): boolean {
    return this.#headerBytes === 0 && this.#payloadLeft === 0;
  }

  advance(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const step = Math.min(this.#payloadLeft, chunk.length - at);
        this.#payloadLeft -= step;
        at += step;
      } else {
        this.#header[this.#headerBytes++] = chunk[at++]!;
        this.#readHeader();
      }
    }
  }

  #readHeader(): void {
    if (this.#headerBytes < 2) return;
    const second = this.#header[1]!;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskBytes = second & 0x80 ? 4 : 0;
    if (this.#headerBytes < 2 + lengthBytes + maskBytes) return;
    this.#headerBytes = 0;
    if (lengthBytes === 0) this.#payloadLeft = short;
    else if (lengthBytes === 2) this.#payloadLeft = this.#header.readUInt16BE(2);
    else this.#payloadLeft = Number(this.#header.readBigUInt64BE(2));
  }
}

/** A close frame as a server sends it, with a status code of RFC 6455 section 7.4. */
export function closeFrame(code: number): Buffer {
  return Buffer.from([0x88, 2, code >> 8, code & 0xff]);
}
