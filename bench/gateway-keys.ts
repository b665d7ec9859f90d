// Keys as Portcullis keeps them, put straight into its store: the command line's start a key would take minutes.
import { readConfig } from '../src/config/load.ts';
import type { ConfigInput } from '../src/config/schema.ts';
import { newRecord } from '../src/manage/new-record.ts';
import { openPeppers, type Peppers } from '../src/secrets/peppers.ts';
import { openStore } from '../src/stores/open.ts';
import { GATEWAY_ENV } from './gateway-config.ts';
import type { BenchKey } from './keys.ts';

/** @returns the peppers that seal them */
export async function storeKeys(
  input: ConfigInput,
  keys: readonly BenchKey[],
  allow: readonly string[],
): Promise<Peppers> {
  const { config } = await readConfig(input, GATEWAY_ENV);
  const peppers = await openPeppers(config, GATEWAY_ENV);
  const { url, prefix } = config.store;
  const store = await openStore({
    url,
    prefix,
    timeoutMs: 5_000,
    clock: Date.now,
    observe: () => undefined,
    warn: () => undefined,
  });
  try {
    await Promise.all(keys.map((key) => store.keys.save(recordOf(key, peppers, allow), 0)));
  } finally {
    await store.close();
  }
  return peppers;
}

/** A key as Portcullis keeps it. */
export function recordOf({ id, text, owner, scope, plan }: BenchKey, peppers: Peppers, allow: readonly string[]) {
  const secret = { digest: peppers.current.digest(text), hint: null, createdAt: Date.now(), endsAt: null };
  return newRecord({ id, declared: false, grants: { owner, scopes: [scope], plan, allow }, meta: {}, secret }, peppers);
}
