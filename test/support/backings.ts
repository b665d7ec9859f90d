// What the contract suites of the stores run on: a real Redis and a real SQLite file, each opened as often as
// a test wants, as several gateways would.
import type { Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import type { StoreSettings } from '../../src/stores/settings.ts';
import { startRedis } from './redis.ts';
import { makeTempDir } from './temp-dir.ts';

export interface Backing {
  readonly name: 'redis' | 'sqlite' | 'cluster' | 'sentinel';
  readonly url: string;
  /** Opens the store once more; `dispose` closes it. */
  open(overrides?: Partial<StoreSettings>): Promise<Store>;
  dispose(): Promise<void>;
}

export const BACKINGS: readonly { readonly name: Backing['name']; readonly make: () => Promise<Backing> }[] = [
  { name: 'redis', make: redisBacking },
  { name: 'sqlite', make: sqliteBacking },
];

/** Settings that a store under test is opened with; operations get time on a busy machine. */
export function storeSettings(url: string, overrides: Partial<StoreSettings> = {}): StoreSettings {
  return {
    url,
    prefix: 'test',
    timeoutMs: 2_000,
    clock: Date.now,
    observe: () => {},
    warn: () => {},
    ...overrides,
  };
}

async function redisBacking(): Promise<Backing> {
  const redis = await startRedis();
  return backing('redis', redis.url, () => redis.dispose());
}

export async function sqliteBacking(): Promise<Backing> {
  const dir = await makeTempDir();
  return backing('sqlite', `sqlite:${dir.file('data/store.db')}`, () => dir.remove());
}

/** A store at a URL; `dispose` closes what was opened of it, then calls `end`. */
export function backing(name: Backing['name'], url: string, end: () => Promise<void>): Backing {
  const opened: Store[] = [];
  return {
    name,
    url,
    async open(overrides) {
      const store = await openStore(storeSettings(url, overrides));
      opened.push(store);
      return store;
    },
    async dispose() {
      await Promise.all(opened.map((store) => store.close()));
      await end();
    },
  };
}
