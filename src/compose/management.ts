// Everything one command at the terminal needs, opened for it and closed behind it: configuration, peppers,
// store and the service for keys. It works on the store directly, with or without a running gateway.
import { randomBytes } from 'node:crypto';
import { loadConfig } from '../config/load.ts';
import { explain, type Explanation, type Question } from '../decide/explain.ts';
import { declarationsOf } from '../manage/declarations.ts';
import { KeyService } from '../manage/key-service.ts';
import { compilePolicy } from '../policy/compile.ts';
import { openPeppers } from '../secrets/peppers.ts';
import { openStore } from '../stores/open.ts';

export interface ManagementOptions {
  /** Path of the configuration file. */
  readonly file: string;
  /** Where `${NAME}` and `env:NAME` are looked up. */
  readonly env: NodeJS.ProcessEnv;
  /** Told what an operator should know, a sentence each. */
  readonly warn: (message: string) => void;
}

export interface Management {
  readonly keys: KeyService;
  /** What would be decided of a request, with nothing taken from any limit. */
  explain(question: Omit<Question, 'key' | 'nowMs'> & { readonly keyId: string | null }): Promise<Explanation>;
  close(): Promise<void>;
}

/** A person waits longer for a store than a request does: one operation, ms. */
const PATIENCE_MS = 2_000;

/**
 * Opens it.
 * @throws {UserFault} one sentence with the cure: the configuration is wrong, a secret is missing, the store is not fit
 * @throws {StoreFault} if the store does not answer
 */
export async function openManagement({ file, env, warn }: ManagementOptions): Promise<Management> {
  const { config, hash } = await loadConfig(file, env);
  const peppers = await openPeppers(config, env, warn);
  const { url, prefix, timeout } = config.store;
  // What a store that cannot be reached says while it is being opened is said by the failed ping.
  let held: string[] | undefined = [];
  const store = await openStore({
    url,
    prefix,
    timeoutMs: Math.max(timeout, PATIENCE_MS),
    clock: Date.now,
    observe: () => undefined,
    warn: (message, fields) => {
      const sentence = sentenceOf(message, fields);
      if (held) held.push(sentence);
      else warn(sentence);
    },
  });
  try {
    await store.ping();
  } catch (fault) {
    await store.close();
    throw fault;
  }
  held.forEach(warn);
  held = undefined;
  const keys = new KeyService({
    store: store.keys,
    peppers,
    declarations: declarationsOf(config),
    prefix: config.credentials.prefix,
    now: Date.now,
    random: randomBytes,
  });
  return {
    keys,
    explain: async ({ keyId, ...question }) => {
      const record = keyId === null ? null : await keys.get(keyId);
      // As the gateway sees it: a record that no pepper made is one that nobody has.
      const key = record !== null && keys.describe(record).state === 'tampered' ? 'absent' : record;
      return await explain(compilePolicy(config, hash), store.limits, { ...question, key, nowMs: Date.now() });
    },
    close: () => store.close(),
  };
}

function sentenceOf(message: string, fields: Record<string, unknown> = {}): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name} ${String(value)}`);
  return facts.length === 0 ? message : `${message} (${facts.join(', ')})`;
}
