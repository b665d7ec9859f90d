// Who serves our keys, where servers take turns: Sentinels and the nodes of a Cluster are asked, all at once, and
// the newest answer counts. While anybody is connected, some of them are asked again and again, so that a primary
// that was replaced is left even where it goes on answering.
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import { placeText, type RedisPlace } from '../core/redis-url.ts';
import { isRefusedLogin } from './redis-refusal.ts';

/** What one guide says. */
export interface Sighting {
  readonly place: RedisPlace;
  /** Goes up with every change of who serves; of two answers the higher one is the newer. */
  readonly epoch: number;
  /** Others who can be asked. */
  readonly guides: readonly RedisPlace[];
  /** It has begun to put another in the place: what this one takes from now on may be lost. */
  readonly isSwitching: boolean;
}

/** No server to connect to; the message is a sentence with the cure. */
export class RedisAbsence extends Error {
  override readonly name = 'RedisAbsence';
  /** Waiting does not help: the URL and what stands there do not belong together. */
  readonly isFinal: boolean;

  constructor(message: string, isFinal: boolean) {
    super(message);
    this.isFinal = isFinal;
  }
}

/** Who serves is about to change: what is changed now may be lost. */
export class RedisSwitch extends Error {
  override readonly name = 'RedisSwitch';

  constructor() {
    super('the Sentinels are about to put another primary in the place of this one');
  }
}

interface GuideOptions {
  /** Who was named to begin with. */
  readonly places: readonly RedisPlace[];
  /** What they are, for messages: `Sentinel`, `node of the Cluster`. */
  readonly role: string;
  /** How many are asked in turn at each look while all is well. */
  readonly watched: number;
  /** Asks one over a connection of its own. Rejects with a RedisAbsence, or with what broke. */
  readonly ask: (client: Redis, guide: RedisPlace) => Promise<Sighting>;
  /** Makes the connection, not connected yet. */
  readonly connect: (place: RedisPlace) => Redis;
}

export class RedisGuides {
  readonly #options: GuideOptions;
  readonly #movedListeners = new Set<(place: RedisPlace) => void>();
  #learned: readonly RedisPlace[] = [];
  #newest: Sighting | undefined;
  #locating: Promise<RedisPlace> | undefined;
  #watch: AbortController | undefined;
  #turn = 0;
  /** The last question that was begun, and the one behind it. */
  #asked: Promise<unknown> = Promise.resolve();
  #askedNext: Promise<RedisPlace | 'switching'> | undefined;

  constructor(options: GuideOptions) {
    this.#options = options;
  }

  /**
   * Where to connect to, once for all who ask at the same time.
   * @throws {RedisAbsence} if nobody knows
   * @throws {Error} what a guide answered, if it refuses the credentials
   */
  locate(): Promise<RedisPlace> {
    this.#locating ??= this.#locate().finally(() => (this.#locating = undefined));
    return this.#locating;
  }

  /**
   * Who serves, as they say when they are asked anew: nobody is told what was asked for before. `switching` while one of
   * them is about to put another in the place.
   * @throws {Error} if nobody answers
   */
  settled(): Promise<RedisPlace | 'switching'> {
    if (this.#askedNext) return this.#askedNext;
    const asked = this.#asked.then(async () => {
      this.#askedNext = undefined;
      const seen = await this.#askAll();
      const place = this.#noteNewest(seen);
      return seen.some(({ isSwitching }) => isSwitching) ? 'switching' : place;
    });
    this.#askedNext = asked;
    this.#asked = asked.catch(() => {});
    return asked;
  }

  /** Who served when they were last asked. */
  get newest(): RedisPlace | undefined {
    return this.#newest?.place;
  }

  /** A server said that this one serves now; it knows best, so it is asked too. */
  heardOf(place: RedisPlace): void {
    this.#learned = [place, ...this.#learned].slice(0, BOUNDS.storeGuides);
  }

  /** Tells of every move until the function that is returned is called. */
  onMoved(listener: (place: RedisPlace) => void): () => void {
    this.#movedListeners.add(listener);
    if (!this.#watch) {
      this.#watch = new AbortController();
      void this.#keepWatch(this.#watch.signal);
    }
    return () => {
      this.#movedListeners.delete(listener);
      if (this.#movedListeners.size > 0) return;
      this.#watch?.abort();
      this.#watch = undefined;
    };
  }

  async #locate(): Promise<RedisPlace> {
    return this.#noteNewest(await this.#askAll());
  }

  async #askAll(): Promise<readonly Sighting[]> {
    const seen: Sighting[] = [];
    const asked = this.#guides().map(async (guide) => {
      seen.push(await this.#ask(guide));
    });
    const all = Promise.allSettled(asked);
    try {
      await Promise.any(asked);
    } catch (error) {
      throw this.#absence((error as AggregateError).errors);
    }
    // A guide that was cut off may be the first to answer, with what it knew before.
    await within(all, BOUNDS.storeGuideGraceMs);
    if (!seen.some(({ epoch }) => epoch >= (this.#newest?.epoch ?? 0))) await all;
    return [...seen];
  }

  #noteNewest(seen: readonly Sighting[]): RedisPlace {
    const newest = seen.reduce((best, sighting) => (sighting.epoch > best.epoch ? sighting : best));
    this.#note(newest);
    return newest.place;
  }

  async #keepWatch(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await pause(BOUNDS.storeWatchMs, undefined, { signal, ref: false });
      } catch {
        return;
      }
      const guides = this.#guides();
      const looks = Array.from({ length: Math.min(this.#options.watched, guides.length) }, async () => {
        this.#turn = (this.#turn + 1) % guides.length;
        const sighting = await this.#ask(guides[this.#turn] as RedisPlace);
        if (sighting.epoch > (this.#newest?.epoch ?? 0)) this.#note(sighting);
      });
      // One that does not answer is told of by nobody: whoever loses the server asks them all.
      await Promise.allSettled(looks);
    }
  }

  #note(sighting: Sighting): void {
    const before = this.#newest?.place;
    this.#newest = sighting;
    this.#learned = sighting.guides;
    if (before && placeText(before) !== placeText(sighting.place))
      for (const tell of this.#movedListeners) tell(sighting.place);
  }

  async #ask(guide: RedisPlace): Promise<Sighting> {
    const client = this.#options.connect(guide);
    let lastError: Error | undefined;
    client.on('error', (error: Error) => (lastError = error));
    try {
      // ioredis says of an attempt that failed only that the connection is closed.
      await client.connect().catch((error: unknown) => {
        throw lastError ?? error;
      });
      return await this.#options.ask(client, guide);
    } finally {
      client.disconnect();
    }
  }

  /** Whom to ask: who was named, then who was found, each once and not too many. */
  #guides(): RedisPlace[] {
    const { places } = this.#options;
    const all = new Map([...places, ...this.#learned].map((place) => [placeText(place), place]));
    return [...all.values()].slice(0, Math.max(places.length, BOUNDS.storeGuides));
  }

  /** Of all reasons the one that says most. */
  #absence(errors: readonly unknown[]): unknown {
    const absences = errors.filter((error) => error instanceof RedisAbsence);
    const telling =
      absences.find(({ isFinal }) => isFinal) ?? errors.find((error) => isRefusedLogin(error)) ?? absences[0];
    if (telling) return telling;
    const { places, role } = this.#options;
    const reason = errors[0] instanceof Error ? errors[0].message : 'none was named';
    return new RedisAbsence(
      `no ${role} at ${places.map(placeText).join(', ')} can be reached (${reason}); start one, or correct their addresses in store.url`,
      false,
    );
  }
}

/** Waits for the promise, but no longer than the bound. */
async function within(promise: Promise<unknown>, waitMs: number): Promise<void> {
  const bound = new AbortController();
  await Promise.race([promise, pause(waitMs, undefined, { signal: bound.signal }).catch(() => {})]);
  bound.abort();
}
