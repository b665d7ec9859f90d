// Commands that a Redis refused to run are sent again where and when they can run, within a bound: to the node that
// the slot is on its way to, or once the connection leads to who serves now. What may have run is never sent again.
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import type { RedisPlace } from '../core/redis-url.ts';
import { refusalOf, type Refusal } from './redis-refusal.ts';

/** The refusals after which the commands are sent again. */
export type Follows = ReadonlySet<Refusal['kind']>;

/** Commands whose keys are all declared: each node then knows whether it has all of them. */
export const FOLLOWS_ALL: Follows = new Set<Refusal['kind']>(['moved', 'ask', 'split', 'unfit']);

/** Scripts that touch keys which they do not declare: a node that the slot is on its way to cannot tell which it lacks. */
export const FOLLOWS_OWNER: Follows = new Set<Refusal['kind']>(['moved', 'unfit']);

/** Reads that have to know when their server changes. */
export const FOLLOWS_ASK: Follows = new Set<Refusal['kind']>(['ask']);

/** What an errand needs of the connection that it starts from. */
interface ErrandBase {
  /** The client, connected to who serves. Throws while there is none. */
  client(): Redis;
  /** The client leads to a server that serves no longer. */
  leave(error: Error): void;
  /** Resolves once the connection is usable again, or after `waitMs`; true if it is usable. */
  whenUsable(waitMs: number): Promise<boolean>;
  /** A client of the node that a slot is on its way to. */
  detour(place: RedisPlace): Promise<Redis>;
}

/**
 * Runs the commands, and again after each refusal that is followed, as long as there is time.
 * @param untilMs on the clock of `performance.now()`
 * @throws {Error} what the last attempt ended with
 */
export async function carryOut<T>(
  base: ErrandBase,
  work: (client: Redis) => Promise<T>,
  follows: Follows,
  untilMs: number,
): Promise<T> {
  let detour: Redis | undefined;
  for (let refused = 1; ; refused += 1) {
    try {
      return await work(detour ? asking(detour) : base.client());
    } catch (error) {
      const refusal = refusalOf(error);
      const leftMs = untilMs - performance.now();
      if (!refusal || !follows.has(refusal.kind) || leftMs <= 0) throw error;
      const isOwner = detour === undefined;
      detour = undefined;
      // The first redirection is followed at once; servers that send each other's clients to and fro are not.
      if (refused > 1 || refusal.kind === 'split') await pause(Math.min(leftMs, retryPauseMs(refused)));
      if (refusal.kind === 'ask') detour = await base.detour(refusal.place);
      else if (isOwner && refusal.kind !== 'split') {
        base.leave(error as Error);
        if (!(await base.whenUsable(leftMs))) throw error;
      }
    }
  }
}

function retryPauseMs(refused: number): number {
  return Math.min(10 * 2 ** (refused - 1), BOUNDS.storeRetryMs);
}

/** The client with ASKING before every command: a node answers for a slot that it does not have yet only then. */
function asking(client: Redis): Redis {
  return new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...words: unknown[]): unknown => {
        target.asking().catch(() => {});
        return Reflect.apply(member, target, words);
      };
    },
  });
}
