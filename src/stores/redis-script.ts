// A Lua script by its hash: its text travels only when the server does not have it (a restart, a failover,
// SCRIPT FLUSH). A script that is not known has not run, so sending it again counts nothing twice.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { FOLLOWS_ALL, type Follows } from './redis-errand.ts';

export class RedisScript {
  /** The refusals of a server after which it may be sent again. */
  readonly follows: Follows;
  readonly #text: string;
  readonly #hash: string;

  constructor(text: string, follows: Follows = FOLLOWS_ALL) {
    this.follows = follows;
    this.#text = text;
    this.#hash = createHash('sha1').update(text).digest('hex');
  }

  async run(client: Redis, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown> {
    try {
      return await client.evalsha(this.#hash, keys.length, ...keys, ...values);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await client.eval(this.#text, keys.length, ...keys, ...values);
    }
  }
}
