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
  signal.throwIfAborted();
  const thread = content.length > BOUNDS.configAtOnceBytes ? startThread({ content, file, env: { ...env } }) : null;
  if (!thread) return await readConfigFile({ ok: true, content: Buffer.from(content) }, file, env);
  const outcome = await outcomeOf(thread, signal);
  if ('problems' in outcome) throw new ConfigFault(outcome.problems);
  return outcome.loaded;
}

/** The thread's entry, as it stands beside this file: compiled or not. */
const ENTRY = new URL(`./read-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Null where the system or Node's permissions allow none: to stand still for a while is better than never to take a file. */
function startThread(workerData: Reading): Worker | null {
  try {
    // What the process itself was started with, such as modules to load first, is not for this thread to do again: neither
    // what its command line says nor what NODE_OPTIONS does.
    return new Worker(ENTRY, { workerData, execArgv: [], env: {} });
  } catch {
    return null;
  }
}

function outcomeOf(thread: Worker, signal: AbortSignal): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
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
