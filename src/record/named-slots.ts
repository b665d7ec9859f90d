// Slots of counters by a name from the configuration, made ahead of the requests that count in them. Names
// come and go with reloads: a slot outlives its name for a while, so that its counters end where they were,
// and the oldest such leave first, so that no number of reloads grows the series without end.

/** Slots of names that the configuration no longer has. */
const RETAINED = 1_000;

/** Where names count that were never adopted. */
const STRAY = 'other';

export class NamedSlots<Slot> {
  readonly #create: (name: string) => Slot;
  readonly #permanent: readonly string[];
  readonly #slots = new Map<string, Slot>();

  /** @param permanent names that are always there */
  constructor(create: (name: string) => Slot, permanent: readonly string[] = []) {
    this.#create = create;
    this.#permanent = permanent;
    this.adopt([]);
  }

  /** Makes slots for `names`; those that are there keep what they have counted. */
  adopt(names: readonly string[]): void {
    const current = new Set([...this.#permanent, ...names]);
    if (this.#slots.has(STRAY)) current.add(STRAY);
    for (const name of current) {
      const slot = this.#slots.get(name) ?? this.#create(name);
      this.#slots.delete(name);
      this.#slots.set(name, slot);
    }
    for (const name of this.#slots.keys()) {
      if (this.#slots.size <= current.size + RETAINED) break;
      this.#slots.delete(name);
    }
  }

  /** The slot of a name; that of `other` for a name that was never adopted or is long gone. */
  get(name: string): Slot {
    const slot = this.#slots.get(name) ?? this.#slots.get(STRAY);
    if (slot !== undefined) return slot;
    const stray = this.#create(STRAY);
    this.#slots.set(STRAY, stray);
    return stray;
  }

  /** The slot of a name that is adopted at first sight, while there are fewer than `most`. */
  learn(name: string, most: number): Slot {
    if (!this.#slots.has(name) && this.#slots.size < most) this.#slots.set(name, this.#create(name));
    return this.get(name);
  }

  [Symbol.iterator](): IterableIterator<Slot> {
    return this.#slots.values();
  }
}
