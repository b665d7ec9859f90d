// A connection to the node that a slot is on its way to, while it is: some keys are there already, and are asked for
// there. One node at a time, found fit before it is used, and left with the connection that led to it.
import type { Redis } from 'ioredis';
import { placeText, type RedisPlace } from '../core/redis-url.ts';
import { makeNodeClient } from './redis-client.ts';
import { evictionRefusal } from './redis-fitness.ts';
import type { RedisServer } from './redis-server.ts';
import { versionRefusal } from './redis-version.ts';

type DetourOptions = {
  readonly server: RedisServer;
  readonly timeoutMs: number;
  readonly name: string;
  readonly blockMs?: number;
};

export class RedisDetour {
  readonly #options: DetourOptions;
  #to: string | undefined;
  #client: Redis | undefined;
  #connected: Promise<Redis> | undefined;

  constructor(options: DetourOptions) {
    this.#options = options;
  }

  /** A client of the node. @throws {Error} if it cannot be reached or would evict keys */
  to(place: RedisPlace): Promise<Redis> {
    const to = placeText(place);
    if (this.#connected && this.#to === to && this.#client?.status !== 'end') return this.#connected;
    this.leave();
    this.#to = to;
    this.#client = makeNodeClient(this.#options, place);
    this.#connected = connect(this.#client, to);
    return this.#connected;
  }

  /** Asks nothing more of the node; what it was asked is still answered. */
  leave(): void {
    const client = this.#client;
    this.#forget();
    client?.quit().catch(() => client.disconnect());
  }

  close(): void {
    this.#client?.disconnect();
    this.#forget();
  }

  #forget(): void {
    this.#client = undefined;
    this.#connected = undefined;
  }
}

async function connect(client: Redis, address: string): Promise<Redis> {
  await client.connect();
  const refusal = (await versionRefusal(client, address)) ?? (await evictionRefusal(client, address));
  if (refusal === undefined) return client;
  client.disconnect();
  throw new Error(refusal);
}
