// Requests that go on while something breaks, some of them a stranger's. Nothing is sent twice: what fails counts.
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface LoadOptions {
  readonly port: number;
  readonly key: string;
  /** Requests at once, each over a kept connection of its own (default 4). */
  readonly clients?: number;
  readonly target?: string;
  readonly method?: string;
  /** Between two requests of a client, ms (default 3). */
  readonly pauseMs?: number;
  /** Whether a new connection is made for each request (default no). */
  readonly isFresh?: boolean;
}

/** How requests ended. */
export interface LoadSeen {
  /** Of the holder of the key, by status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Of strangers, by status. */
  readonly strangers: ReadonlyMap<number, number>;
  /** Connections that ended without an answer, or within one. */
  readonly failures: readonly string[];
}

/** The field that a stranger's requests carry: none of them may reach an upstream. */
export const STRANGER_FIELD = 'X-Stranger';
const STRANGERS_KEY = 'a-key-that-nobody-has-0123456789';
/** Every so many requests one is a stranger's. */
const STRANGER_EVERY = 8;
const ANSWERED_WITHIN_MS = 30_000;

export class FaultLoad {
  readonly #options: LoadOptions;
  readonly #statuses = new Map<number, number>();
  readonly #strangers = new Map<number, number>();
  readonly #failures: string[] = [];
  readonly #clients: Promise<void>[];
  #isGoing = true;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: options.clients ?? 4 }, () => this.#client());
  }

  /** Requests that were answered so far. */
  get answered(): number {
    return total(this.#statuses) + total(this.#strangers);
  }

  /** How it went so far. */
  get seen(): LoadSeen {
    return { statuses: this.#statuses, strangers: this.#strangers, failures: this.#failures };
  }

  /** Ends it, once every request under way has. */
  async stop(): Promise<LoadSeen> {
    this.#isGoing = false;
    await Promise.all(this.#clients);
    return this.seen;
  }

  async #client(): Promise<void> {
    const { isFresh = false, pauseMs = 3 } = this.#options;
    const agent = new Agent({ keepAlive: !isFresh, maxSockets: 1 });
    let at = 0;
    while (this.#isGoing) {
      await this.#one(agent, ++at % STRANGER_EVERY === 0);
      await pause(pauseMs);
    }
    agent.destroy();
  }

  #one(agent: Agent, isStranger: boolean): Promise<void> {
    const { port, key, target: path = '/things/x', method = 'GET' } = this.#options;
    const headers = isStranger ? { 'X-Api-Key': STRANGERS_KEY, [STRANGER_FIELD]: '1' } : { 'X-Api-Key': key };
    return new Promise((resolve) => {
      const failed = (error: Error): void => {
        this.#failures.push(error.message);
        resolve();
      };
      const sent = request({ host: '127.0.0.1', port, path, method, agent, headers, timeout: ANSWERED_WITHIN_MS });
      sent.on('timeout', () => sent.destroy(new Error('no answer')));
      sent.on('error', failed).on('response', (response) => {
        response.on('error', failed).on('end', () => {
          const counts = isStranger ? this.#strangers : this.#statuses;
          const status = response.statusCode ?? 0;
          counts.set(status, (counts.get(status) ?? 0) + 1);
          resolve();
        });
        response.resume();
      });
      sent.end();
    });
  }
}

/** `200: 412, 503: 3`. */
export function countsText(counts: ReadonlyMap<number, number>): string {
  const parts = [...counts].sort(([one], [other]) => one - other).map(([status, count]) => `${status}: ${count}`);
  return parts.join(', ') || 'none';
}

function total(counts: ReadonlyMap<number, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
