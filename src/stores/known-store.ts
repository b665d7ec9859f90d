// What one gateway knows of its store's history, and whether it believes the store just now. One that is not the known
// one is never taken for an empty one: nothing is asked of it until the known one is back or the gateway is restarted.
import type { Lineage, StoreObserver } from '../core/ports.ts';
import { BEFORE_ALL, doubtOf, type Sight } from './lineage.ts';
import type { Warn } from './settings.ts';

interface KnownOptions {
  /** As it was handed over; else the first store that is seen is taken as it is. */
  readonly lineage: Lineage | undefined;
  /** What the log says of where the store is. */
  readonly where: Readonly<Record<string, string>>;
  readonly warn: Warn;
}

export class KnownStore {
  readonly #options: KnownOptions;
  #lineage: Lineage | undefined;
  #doubt: string | undefined;
  readonly #taken = Promise.withResolvers<Lineage>();

  constructor(options: KnownOptions) {
    this.#options = options;
    this.#lineage = options.lineage;
  }

  get lineage(): Lineage | undefined {
    return this.#lineage;
  }

  /** See `Store.taken`. */
  get taken(): Promise<Lineage> {
    return this.#taken.promise;
  }

  /** Why the store is not believed, as a sentence; undefined if it is. */
  get doubt(): string | undefined {
    return this.#doubt;
  }

  /** For operations that a store which is not believed still does: they count as failed, or it would pass for well. */
  observing(observe: StoreObserver): StoreObserver {
    return (operation, durationMs, isFault) => observe(operation, durationMs, isFault || this.#doubt !== undefined);
  }

  /** Judges what was seen of the store, and says it once in the log if that is in doubt; true if it is not. */
  judge(sight: Sight): boolean {
    const clause = doubtOf(this.#lineage, sight);
    if (clause !== undefined) {
      this.distrust(clause, sight);
      return false;
    }
    if (this.#doubt !== undefined) this.#options.warn('The known store is back and is used again', this.#facts(sight));
    this.#doubt = undefined;
    const { generation, at, mark } = this.#lineage ?? sight.last ?? BEFORE_ALL;
    const isFirst = this.#lineage === undefined;
    this.#lineage = { epoch: sight.epoch ?? this.#lineage?.epoch ?? null, generation, at, mark };
    if (isFirst) this.#taken.resolve(this.#lineage);
    return true;
  }

  /** Takes in that the store has gone on, up to this change. */
  advance(last: Omit<Lineage, 'epoch'>): void {
    this.#lineage = { epoch: this.#lineage?.epoch ?? null, ...last };
  }

  /** No longer believes the store, for a reason that is a clause of a sentence. */
  distrust(clause: string, sight?: Sight): void {
    const isNews = this.#doubt === undefined;
    this.#doubt = `The store is not the one that this gateway knew: ${clause}`;
    if (isNews) this.#options.warn(`${this.#doubt}. ${MEANING_AND_CURE}`, this.#facts(sight));
  }

  #facts(sight: Sight | undefined): Record<string, unknown> {
    return {
      ...this.#options.where,
      known: { epoch: this.#lineage?.epoch ?? null, generation: this.#lineage?.generation ?? 0 },
      ...(sight && { found: { epoch: sight.epoch, generation: sight.last?.generation ?? 0 } }),
    };
  }
}

const MEANING_AND_CURE =
  'Nothing is asked of it, and keys get 503 rather than a wrong answer; bring the known store back, which is noticed by itself, ' +
  'or restart the gateway to take this one as it is';
