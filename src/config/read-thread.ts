// The entry of the thread that reads a large configuration file.
import { parentPort, workerData } from 'node:worker_threads';
import { readConfigFile } from './load.ts';
import { ConfigFault } from './problem.ts';
import type { Outcome, Reading } from './read-apart.ts';

/** Problems that are told: whoever reads the log learns what the first are, and of all by `portcullis check`. */
const MOST_TOLD = 1_000;

const { content, file, env } = workerData as Reading;
parentPort!.postMessage(await read());

async function read(): Promise<Outcome> {
  try {
    return { loaded: await readConfigFile({ ok: true, content: Buffer.from(content) }, file, env) };
  } catch (fault) {
    if (!(fault instanceof ConfigFault)) throw fault;
    return { problems: fault.problems.slice(0, MOST_TOLD) };
  }
}
