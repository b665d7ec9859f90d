// Notices that the configuration file is another one and loads it. The file's identity is polled, through
// symbolic links, because file events are lost on network file systems and when Kubernetes swaps a link.
import { isDeepStrictEqual } from 'node:util';
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { readBoundedFile } from '../core/bounded-file.ts';
import { BOUNDS } from '../core/bounds.ts';
import { type LoadedConfig, readConfigFile } from './load.ts';
import { ConfigFault } from './problem.ts';
import { readConfigApart } from './read-apart.ts';
import type { Config } from './schema.ts';

export interface WatchOptions {
  /** The configuration in use. Its file is watched; a change since it was loaded is noticed too. */
  readonly loaded: LoadedConfig;
  readonly env: NodeJS.ProcessEnv;
  /**
   * Told of each new configuration, or why the file holds none; never of two at once. Content that was told of
   * already is told of again only by {@link ConfigWatch.reloadNow}. Must not throw or reject.
   */
  readonly onChange: (result: LoadedConfig | ConfigFault) => void | Promise<void>;
  /** Time between two looks at the file, ms. A change counts once two looks in a row find the same file. */
  readonly everyMs?: number;
}

export interface ConfigWatch {
  /** Loads the file now, changed or not, and resolves when `onChange` has been told: what SIGHUP asks for. */
  reloadNow(): Promise<void>;
  /** Ends the watch, and resolves when a reload under way has ended. */
  stop(): Promise<void>;
}

/** Watches the file of the configuration in use. The watch keeps no process alive. */
export function watchConfig({ loaded, env, onChange, everyMs = 200 }: WatchOptions): ConfigWatch {
  const { file } = loaded;
  let told: string | undefined;
  let settledIdentity: string | undefined;
  let lastIdentity: string | undefined;
  const stopping = new AbortController();
  let queue = Promise.resolve();
  let timer = setTimeout(look, everyMs).unref();

  function look(): void {
    void inTurn(async () => {
      const identity = await identityOf(file);
      if (identity === lastIdentity && identity !== settledIdentity) {
        await reloadIfChanged();
        settledIdentity = identity;
      }
      lastIdentity = identity;
    }).finally(() => {
      if (!stopping.signal.aborted) timer = setTimeout(look, everyMs).unref();
    });
  }

  async function reloadIfChanged(): Promise<void> {
    const { digest, load } = await readFile();
    if (digest === told) return;
    const result = await load();
    if (stopping.signal.aborted) return;
    // The first look meets the file that is in use, unless it changed since it was loaded.
    const isInUse = told === undefined && !(result instanceof ConfigFault) && result.hash === loaded.hash;
    told = digest;
    if (!isInUse) await onChange(result);
  }

  async function readFile() {
    const read = await readBoundedFile(file, BOUNDS.configBytes);
    const digest = read.ok ? createHash('sha256').update(read.content).digest('hex') : read.problem;
    const load = async (): Promise<LoadedConfig | ConfigFault> => {
      try {
        if (!read.ok) return await readConfigFile(read, file, env);
        return await readConfigApart({ content: read.content, file, env }, stopping.signal);
      } catch (fault) {
        return asRefusal(file, fault);
      }
    };
    return { digest, load };
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    const turn = queue.then(async () => (stopping.signal.aborted ? undefined : await work()));
    queue = turn.catch(() => {});
    return turn;
  }

  return {
    reloadNow: () =>
      inTurn(async () => {
        const { digest, load } = await readFile();
        told = digest;
        const result = await load();
        if (!stopping.signal.aborted) await onChange(result);
      }),
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await queue;
    },
  };
}

/** The fields, as paths, whose change takes effect only with a restart. */
export function restartFields(old: Config, next: Config): string[] {
  const fields: string[] = old.workers === next.workers ? [] : ['workers'];
  for (const section of ['listen', 'store'] as const) {
    const before: Readonly<Record<string, unknown>> = old[section];
    const after: Readonly<Record<string, unknown>> = next[section];
    for (const name of Object.keys(after)) if (before[name] !== after[name]) fields.push(`${section}.${name}`);
  }
  // Secrets are read at the start only: a pepper that came in halfway would make cached keys strangers.
  for (const name of ['pepper', 'previousPeppers'] as const)
    if (!isDeepStrictEqual(old.credentials[name], next.credentials[name])) fields.push(`credentials.${name}`);
  return fields.sort();
}

/** A file that cannot be read for a reason that nobody has thought of is refused like any other, and ends nothing. */
function asRefusal(file: string, fault: unknown): ConfigFault {
  if (fault instanceof ConfigFault) return fault;
  const said = fault instanceof Error ? fault.message : String(fault);
  const message = `could not be made sense of (${said}); see what \`portcullis check\` says of it, or put the file before back`;
  return new ConfigFault([{ file, line: 1, column: 1, path: '(file)', message }]);
}

/** What changes whenever another file is put in place or its content is written. */
async function identityOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}
