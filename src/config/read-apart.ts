// Reads a configuration while the process goes on with what it does: to read a large file takes seconds, in which no
// request would be answered. Such a one is read by a thread; a small one at once, which is sooner done.
import { Worker } from 'node:worker_threads';
import { BOUNDS } from '../core/bounds.ts';
import { type LoadedConfig, readConfigFile } from './load.ts';
import { ConfigFault, type ConfigProblem } from './problem.ts';

/** What the thread is given. */
export interface Reading {
  readonly content: Uint8Array;
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What it made of it. */
export type Outcome = { readonly loaded: LoadedConfig } | { readonly problems: readonly ConfigProblem[] };

/**
 * Reads a configuration from a file's content. Of a large one only the first problems are told.
 * @param signal ends the reading, which then rejects
 * @throws {ConfigFault} with the problems, in the order of the file
 */
export async function readConfigApart(reading: Reading, signal: AbortSignal): Promise<LoadedConfig> {
  const { content, file, env } = reading;
  if (content.length <= BOUNDS.configAtOnceBytes)
    return await readConfigFile({ ok: true, content: Buffer.from(content) }, file, env);
  const outcome = await askThread({ content, file, env: { ...env } }, signal);
  if ('problems' in outcome) throw new ConfigFault(outcome.problems);
  return outcome.loaded;
}

/** The thread's entry, as it stands beside this file: compiled or not. */
const ENTRY = new URL(`./read-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

function askThread(reading: Reading, signal: AbortSignal): Promise<Outcome> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const thread = new Worker(ENTRY, { workerData: reading });
  const end = (): void => void thread.terminate();
  signal.addEventListener('abort', end);
  thread.once('message', resolve);
  thread.once('error', reject);
  thread.once('exit', () => {
    signal.removeEventListener('abort', end);
    reject(new Error('the thread that read it ended'));
  });
  return promise;
}
