// Continuous work on a store while its servers change under it: look-ups of keys, takes of a limit and changes of
// keys, each answered or rejected with a StoreFault, and what came of them.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { StoreFault } from '../../src/core/fault.ts';
import type { LimitDemand, Store } from '../../src/core/ports.ts';
import { keyRecord } from './key-records.ts';

/** Between two operations of one kind, ms: continuous, but no benchmark. */
const PAUSE_MS = 2;

export class StoreLoad {
  /** Takes that were admitted. */
  admitted = 0;
  /** Takes that were rejected with a StoreFault: the store may have counted them. */
  uncertain = 0;
  readonly #store: Store;
  readonly #demand: LimitDemand;
  #isTaking = true;
  #isChanging = true;
  #change: Promise<unknown> | undefined;
  #isStopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(store: Store, demand: LimitDemand) {
    this.#store = store;
    this.#demand = demand;
  }

  /** Saves the key that is looked up, and begins. */
  async start(): Promise<void> {
    const { keys, limits } = this.#store;
    const known = keyRecord({ id: `load-${this.#demand.id}` });
    assert.equal(await keys.save(known, 0), 'saved');
    let changes = 0;
    this.#running = Promise.all([
      this.#repeat(async () => {
        // A second digest that nobody has, as a minted text's other one is.
        assert.notEqual(await keys.findByDigest([`nobody-${known.id}`, `digest-of-${known.id}`]), 'absent');
      }),
      this.#repeat(async () => {
        if (!this.#isTaking) return;
        this.uncertain += 1;
        const { isAdmitted } = await limits.take([this.#demand]);
        this.uncertain -= 1;
        if (isAdmitted) this.admitted += 1;
      }),
      this.#repeat(async () => {
        if (!this.#isChanging) return;
        changes += 1;
        this.#change = keys.save(keyRecord({ id: `${known.id}-${changes}` }), 0);
        await this.#change;
      }),
    ]);
    this.#running.catch(() => {});
  }

  /** Ends the takes alone. */
  stopTaking(): void {
    this.#isTaking = false;
  }

  /** Ends the changes of keys alone, the one under way being finished. */
  async stopChanging(): Promise<void> {
    this.#isChanging = false;
    await Promise.allSettled([this.#change]);
  }

  /** Ends it. @throws what an operation ended with that is neither an answer nor a StoreFault */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #repeat(work: () => Promise<void>): Promise<void> {
    while (!this.#isStopped) {
      await work().catch((error: unknown) => {
        if (!(error instanceof StoreFault)) throw error;
      });
      const until = performance.now() + PAUSE_MS;
      while (performance.now() < until) await turn();
    }
  }
}
