// Texts as chains of equal blocks outside of the JavaScript heap. A block is as good as any other, so a million
// texts that come and go leave no fragments behind, and the bound on bytes is exact.

const BLOCK_BYTES = 64;
const CHUNK_BLOCKS = 4_096;
/** The block number behind the last block of a chain, and of the list of free ones. */
const END = -1;

export class BlockStore {
  readonly #most: number;
  /** The block that follows in the chain, by block. */
  readonly #next: Int32Array;
  /** Allocated as they are first needed. */
  #chunks: Buffer[] = [];
  #free = END;
  /** Blocks that have been in use at least once. */
  #touched = 0;
  #used = 0;

  /** @param mostBytes what all texts together may take, in whole blocks */
  constructor(mostBytes: number) {
    this.#most = Math.floor(mostBytes / BLOCK_BYTES);
    this.#next = new Int32Array(this.#most);
  }

  /** What is in use, bytes. */
  get bytes(): number {
    return this.#used * BLOCK_BYTES;
  }

  /** Whether a text of so many bytes fits beside what is there. */
  hasRoom(byteLength: number): boolean {
    return this.#used + blocksOf(byteLength) <= this.#most;
  }

  /** Whether it would fit if nothing else were there. */
  couldHold(byteLength: number): boolean {
    return blocksOf(byteLength) <= this.#most;
  }

  /** Stores what there is room for, and says at which block it begins. */
  put(bytes: Buffer): number {
    let first = END;
    let previous = END;
    for (let from = 0; from < bytes.length || first === END; from += BLOCK_BYTES) {
      const block = this.#take();
      bytes.copy(this.#chunkOf(block), offsetOf(block), from, from + BLOCK_BYTES);
      if (previous === END) first = block;
      else this.#next[previous] = block;
      previous = block;
    }
    this.#next[previous] = END;
    return first;
  }

  /** The text that begins at a block and has so many bytes. */
  read(first: number, byteLength: number): string {
    const bytes = byteLength <= scratch.length ? scratch : Buffer.allocUnsafe(byteLength);
    for (let at = 0, block = first; at < byteLength; at += BLOCK_BYTES, block = this.#next[block]!) {
      const offset = offsetOf(block);
      this.#chunkOf(block).copy(bytes, at, offset, offset + Math.min(BLOCK_BYTES, byteLength - at));
    }
    return bytes.toString('utf8', 0, byteLength);
  }

  /** Frees the blocks of the text that begins at `first`. */
  free(first: number): void {
    let last = first;
    for (this.#used--; this.#next[last] !== END; this.#used--) last = this.#next[last]!;
    this.#next[last] = this.#free;
    this.#free = first;
  }

  /** Frees all blocks and gives their memory back. */
  clear(): void {
    this.#chunks = [];
    this.#free = END;
    this.#touched = 0;
    this.#used = 0;
  }

  #take(): number {
    this.#used++;
    const freed = this.#free;
    if (freed === END) return this.#touched++;
    this.#free = this.#next[freed]!;
    return freed;
  }

  #chunkOf(block: number): Buffer {
    return (this.#chunks[Math.floor(block / CHUNK_BLOCKS)] ??= Buffer.allocUnsafeSlow(CHUNK_BLOCKS * BLOCK_BYTES));
  }
}

/** Most texts are read through this, one at a time. */
const scratch = Buffer.allocUnsafeSlow(4_096);

/** An empty text takes a block too, so that it has a place. */
function blocksOf(byteLength: number): number {
  return Math.max(1, Math.ceil(byteLength / BLOCK_BYTES));
}

function offsetOf(block: number): number {
  return (block % CHUNK_BLOCKS) * BLOCK_BYTES;
}
