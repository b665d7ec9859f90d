// How many keys are in each state, asked of the store in the background: a scrape takes what is known and
// never waits for the store.
import type { KeyState } from '../core/key-record.ts';

/** Between two counts, ms. */
const REFRESH_MS = 5_000;

export type KeyCounts = Readonly<Record<KeyState, number>>;

export class KeyCountsRefresher {
  readonly #ask: () => Promise<KeyCounts>;
  readonly #timer: NodeJS.Timeout;
  #latest: KeyCounts | undefined;
  #isAsking = false;

  /** Begins at once. {@link stop} ends it. */
  constructor(ask: () => Promise<KeyCounts>) {
    this.#ask = ask;
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS).unref();
    void this.#refresh();
  }

  /** The latest count; undefined where the store could not be asked, for an old number would look like a true one. */
  get latest(): KeyCounts | undefined {
    return this.#latest;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** One question at a time: a store that stalls is not asked again meanwhile. */
  async #refresh(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      this.#latest = await this.#ask();
    } catch {
      this.#latest = undefined;
    } finally {
      this.#isAsking = false;
    }
  }
}
