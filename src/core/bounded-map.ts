// A map that forgets what was set longest ago when it is full, in the same time however often it was full before:
// a Map is asked for its first key in vain by everything that was deleted in front of it. An iterator remembers where it
// was; but one that stands still keeps every table that its map has outgrown, so it is not kept for long.

export class BoundedMap<Value> {
  readonly #entries = new Map<string, Value>();
  readonly #most: number;
  /** Goes through the map in the order of setting, while that makes room; undefined where it would begin anew. */
  #oldest: MapIterator<string> | undefined;
  #setsSinceRoomMade = 0;

  /** @param most entries that are kept */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  /** @returns the key that had to make room, if any */
  set(key: string, value: Value): string | undefined {
    this.#entries.delete(key);
    // To begin anew goes over as many places as there are entries, or few more: once in so many sets that is nothing.
    if (++this.#setsSinceRoomMade > this.#entries.size) this.#oldest = undefined;
    const forgotten = this.#entries.size < this.#most ? undefined : this.#takeOldest();
    this.#entries.set(key, value);
    return forgotten;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  #takeOldest(): string | undefined {
    this.#setsSinceRoomMade = 0;
    this.#oldest ??= this.#entries.keys();
    const { value: key, done } = this.#oldest.next();
    if (done === true) {
      // It had come to the end while the map was empty.
      this.#oldest = undefined;
      return this.#takeOldest();
    }
    this.#entries.delete(key);
    return key;
  }
}
