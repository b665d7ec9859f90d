// Redis contents: a vandal without the pepper has been at the store, and nobody gets in who did not before, nobody as
// somebody else, nothing throws, and what is put right works again.
import { Redis } from 'ioredis';
import { StoreFault } from '../../../src/core/fault.ts';
import type { Store } from '../../../src/core/ports.ts';
import { openStore } from '../../../src/stores/open.ts';
import { eventually } from '../../support/acceptance-wait.ts';
import { storeSettings } from '../../support/backings.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import type { Finding, FuzzCase, FuzzSession, FuzzTarget } from '../fuzz-case.ts';
import type { Verdict } from '../upstream/judge.ts';
import { Content } from './content.ts';
import { storeCase, type Vandalism } from './grammar.ts';
import { type Decided, Pipeline } from './pipeline.ts';
import { PATHS, scenePolicy, sceneRecords, SECRETS } from './scene.ts';

export const storeTarget: FuzzTarget = {
  name: 'store',
  batch: 150,
  generate: storeCase,
  open: () => StoreSession.start(),
};

/** From the content's being right again to a good key's passing, ms. */
const RECOVERY_MS = 3_000;
/** What is decided by whoever is asked: any of these may be the answer to a vandal's work. */
const REFUSALS: ReadonlySet<string> = new Set([
  'key_invalid',
  'scope_missing',
  'network_denied',
  'store_unavailable',
  'rate_limited',
  'concurrency_exceeded',
  'address_blocked',
]);

function opened(server: TestRedis): Promise<Store> {
  return openStore(storeSettings(server.url, { prefix: 'fuzz', timeoutMs: 1_000 }));
}

class StoreSession implements FuzzSession {
  readonly #server: TestRedis;
  readonly #vandal: Redis;
  #store: Store;
  #pipeline: Pipeline;
  readonly #content: Content;
  readonly #before: ReadonlyMap<string, Decided>;
  readonly #unhandled: string[] = [];

  static async start(): Promise<StoreSession> {
    const server = await startRedis();
    const vandal = new Redis(server.url, { maxRetriesPerRequest: 1 });
    vandal.on('error', () => {});
    const store = await opened(server);
    for (const record of sceneRecords()) await store.keys.save(record, 0);
    const pipeline = await Pipeline.start(store, await scenePolicy());
    const before = await decisions(pipeline);
    return new StoreSession({ server, vandal, store, pipeline, before, content: await Content.keep(vandal) });
  }

  private constructor(parts: {
    readonly server: TestRedis;
    readonly vandal: Redis;
    readonly store: Store;
    readonly pipeline: Pipeline;
    readonly content: Content;
    readonly before: ReadonlyMap<string, Decided>;
  }) {
    this.#server = parts.server;
    this.#vandal = parts.vandal;
    this.#store = parts.store;
    this.#pipeline = parts.pipeline;
    this.#content = parts.content;
    this.#before = parts.before;
    process.on('unhandledRejection', this.#onUnhandled);
  }

  readonly #onUnhandled = (reason: unknown): void =>
    void this.#unhandled.push(String((reason as Error)?.stack ?? reason));

  async attempt(cases: readonly FuzzCase[]): Promise<readonly Finding[]> {
    const found: Finding[] = [];
    for (const [index, each] of cases.entries()) {
      const verdict = await this.#try(each);
      if (verdict) found.push({ index, ...verdict });
      for (const detail of this.#unhandled.splice(0))
        found.push({ index, rule: 'nothing is thrown that nobody catches', detail });
      // What is found may have spoilt the rest.
      if (found.length > 0) break;
    }
    return found;
  }

  async close(): Promise<void> {
    process.off('unhandledRejection', this.#onUnhandled);
    await this.#pipeline.close();
    await this.#store.close();
    this.#vandal.disconnect();
    await this.#server.dispose();
  }

  async #try({ parts }: FuzzCase): Promise<Verdict | undefined> {
    const acts = parts.map(parsed).filter((act) => act !== undefined);
    for (const act of acts) await this.#content.vandalise(act);
    const verdict = await this.#judge();
    await this.#content.restore();
    // A gateway that has seen another history goes on with this one only once it is restarted.
    if (acts.some((act) => this.#content.rewritesHistory(act))) await this.#restart();
    return verdict ?? (await this.#recover());
  }

  async #restart(): Promise<void> {
    await this.#pipeline.close();
    await this.#store.close();
    this.#store = await opened(this.#server);
    this.#pipeline = await Pipeline.start(this.#store, await scenePolicy());
  }

  async #judge(): Promise<Verdict | undefined> {
    try {
      for (const [asked, decided] of await decisions(this.#pipeline)) {
        const before = this.#before.get(asked);
        if (decided !== before && !REFUSALS.has(decided))
          return { rule: 'nobody gets in who did not before', detail: `${asked}: ${decided}, before ${before}` };
      }
      // What the command line and the metrics ask.
      for await (const _ of this.#store.keys.list());
      return undefined;
    } catch (fault) {
      return fault instanceof StoreFault
        ? undefined
        : { rule: 'a store that was tampered with is a value or a fault', detail: String((fault as Error).stack) };
    }
  }

  async #recover(): Promise<Verdict | undefined> {
    try {
      await eventually(
        async () => {
          this.#pipeline.forget();
          const decided = await this.#pipeline.decide(SECRETS[0]!, PATHS[0]!);
          if (decided !== this.#before.get(asking(SECRETS[0]!, PATHS[0]!))) throw new Error(decided);
        },
        { withinMs: RECOVERY_MS, everyMs: 5 },
      );
      return undefined;
    } catch (fault) {
      return { rule: 'what was put right works again', detail: (fault as Error).message };
    }
  }
}

/** What each text may do, asked of the store itself. */
async function decisions(pipeline: Pipeline): Promise<Map<string, Decided>> {
  pipeline.forget();
  const decided = new Map<string, Decided>();
  for (const path of PATHS)
    await Promise.all(
      SECRETS.map(async (secret) => void decided.set(asking(secret, path), await pipeline.decide(secret, path))),
    );
  return decided;
}

function asking(secret: string, path: string): string {
  return `${secret} for ${path}`;
}

/** Shrinking may have left a text that is no act. */
function parsed(part: string): Vandalism | undefined {
  try {
    return JSON.parse(part) as Vandalism;
  } catch {
    return undefined;
  }
}
