// How ioredis gets a connection. Where the server has to be asked for, every attempt asks the guides anew, and a
// connection whose server was replaced is dropped, be it answering, silent or still being made.
import { createConnection, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { AbstractConnector } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import { placeText, type RedisPlace } from '../core/redis-url.ts';
import type { RedisGuides } from './redis-guides.ts';

type Tell = (event: string, error: Error) => void;

/** The class that ioredis makes connections with, for one set of guides. */
export function guidedConnector(guides: RedisGuides, isTls: boolean): new () => AbstractConnector {
  return class extends GuidedConnector {
    constructor() {
      super(guides, isTls);
    }
  };
}

/** The class that ioredis makes connections with to one place. */
export function placeConnector(place: RedisPlace, isTls: boolean): new () => AbstractConnector {
  return class extends AbstractConnector {
    constructor() {
      super(BOUNDS.storeDisconnectMs);
    }

    override connect(): Promise<Socket | TLSSocket> {
      this.connecting = true;
      const stream = openSocket(place, isTls);
      stream.once('error', (error) => (this.firstError = error));
      this.stream = stream;
      return Promise.resolve(stream);
    }
  };
}

/** Between an attempt to connect and the next, ms. */
export function reconnectPauseMs(attempt: number): number {
  return Math.min(attempt * 25, BOUNDS.storeReconnectMs);
}

class GuidedConnector extends AbstractConnector {
  readonly #guides: RedisGuides;
  readonly #isTls: boolean;
  #place: RedisPlace | undefined;
  #tell: Tell = () => {};
  #stopWatching: (() => void) | undefined;
  #giveUp = new AbortController();
  #nextAt = 0;

  constructor(guides: RedisGuides, isTls: boolean) {
    super(BOUNDS.storeDisconnectMs);
    this.#guides = guides;
    this.#isTls = isTls;
  }

  /** Resolves once there is somewhere to connect to; a rejection would end the client for good. */
  override async connect(tell: Tell): Promise<Socket | TLSSocket> {
    this.connecting = true;
    this.#tell = tell;
    this.#giveUp = new AbortController();
    const place = await this.#locate(this.#giveUp.signal);
    this.#place = place;
    this.#stopWatching ??= this.#guides.onMoved((moved) => this.#leave(moved));
    const stream = openSocket(place, this.#isTls);
    stream.once('error', (error) => (this.firstError = error));
    this.stream = stream;
    return stream;
  }

  override disconnect(): void {
    this.#giveUp.abort();
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    super.disconnect();
  }

  /** What INFO says of a server that was just connected to: what was told of it may be out of date. */
  override check(info: { readonly role?: string }): boolean {
    if (info.role === undefined || info.role === 'master') return true;
    const where = this.#place ? placeText(this.#place) : 'hand';
    this.#tell('error', new Error(`the Redis at ${where} is a replica; the new primary is not known yet`));
    return false;
  }

  async #locate(signal: AbortSignal): Promise<RedisPlace> {
    // Connections that are refused one after the other must not become a storm of questions.
    const waitMs = this.#nextAt - performance.now();
    if (waitMs > 0) await pause(waitMs, undefined, { signal });
    this.#nextAt = performance.now() + BOUNDS.storeGuidePauseMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const place = await this.#guides.locate();
        signal.throwIfAborted();
        return place;
      } catch (error) {
        if (signal.aborted) throw new Error('the connection is closed', { cause: error });
        this.#tell('error', error instanceof Error ? error : new Error(String(error)));
      }
      await pause(reconnectPauseMs(attempt), undefined, { signal });
    }
  }

  #leave(moved: RedisPlace): void {
    if (!this.#place || placeText(this.#place) === placeText(moved)) return;
    this.#tell('error', new Error(`${placeText(moved)} has taken over from ${placeText(this.#place)}`));
    this.stream?.destroy();
  }
}

/**
 * A TLS socket tells of a second error where more arrives after the first, and ioredis listens for one alone: nobody
 * listening, the other would end the process.
 */
function openSocket(place: RedisPlace, isTls: boolean): Socket | TLSSocket {
  const socket = isTls ? connectTls({ ...place }) : createConnection({ ...place });
  return socket.on('error', () => {});
}
