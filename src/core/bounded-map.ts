// A map that forgets what was set longest ago when it is full, in the same time however often it was full before:
// a Map is asked for its first key in vain by everything that was deleted in front of it.

export class BoundedMap<Value> {
  readonly #entries = new Map<string, Value>();
  readonly #most: number;
  /** Goes through the map in the order of setting, and never over the same place again. */
  #oldest = this.#entries.keys();

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
    const forgotten = this.#entries.size < this.#most ? undefined : this.#takeOldest();
    this.#entries.set(key, value);
    return forgotten;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  #takeOldest(): string | undefined {
    let { value: key, done } = this.#oldest.next();
    if (done === true) {
      // It had come to the end while the map was empty.
      this.#oldest = this.#entries.keys();
      ({ value: key, done } = this.#oldest.next());
    }
    if (key !== undefined) this.#entries.delete(key);
    return key;
  }
}
