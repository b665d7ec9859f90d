// What a gateway says at its start of the Redis that it found: what it promises, what it does not, and what could not be
// asked. Whoever takes over later is said something of only where that differs.
import type { Redis } from 'ioredis';
import { durabilityNotice, type Notice } from './redis-durability.ts';
import { reachNotice } from './redis-reach.ts';
import type { RedisServer } from './redis-server.ts';
import { versionNotice } from './redis-version.ts';
import type { Warn } from './settings.ts';

interface NoticeOptions {
  readonly server: RedisServer;
  readonly warn: Warn;
  readonly inform: Warn;
}

export class RedisNotices {
  readonly #options: NoticeOptions;
  readonly #said = new Set<string>();
  #saying: Promise<void> = Promise.resolve();

  constructor(options: NoticeOptions) {
    this.#options = options;
  }

  /** Asks and says. A server that is lost meanwhile is asked again when it is back. */
  say(client: Redis): void {
    this.#saying = this.#say(client);
  }

  /** Resolves once all is said of the server that was found last. */
  settled(): Promise<void> {
    return this.#saying;
  }

  async #say(client: Redis): Promise<void> {
    const { server } = this.#options;
    try {
      const version = await versionNotice(client);
      if (version !== undefined) this.#tell({ text: version, isWarning: true });
      this.#tell(await durabilityNotice(client));
      this.#tell(await reachNotice(client, server.kind));
    } catch {
      // The connection says why it was lost.
    }
  }

  #tell({ text, isWarning }: Notice): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    const { server, warn, inform } = this.#options;
    (isWarning ? warn : inform)(text, { redis: server.node });
  }
}
