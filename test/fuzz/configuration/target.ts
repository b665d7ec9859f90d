// Configuration files: read, judged and compiled as at a start, on a thread that is ended where it hangs.
import { Worker } from 'node:worker_threads';
import type { Finding, FuzzCase, FuzzSession, FuzzTarget } from '../fuzz-case.ts';
import { configurationCase } from './grammar.ts';
import type { WorkerMessage } from './worker.ts';

/** After so long on one file the thread counts as hanging, ms: a busy machine needs some of it. */
const HANGING_MS = 20_000;

export const configurationTarget: FuzzTarget = {
  name: 'configuration',
  batch: 250,
  generate: configurationCase,
  open: async () => new ConfigurationSession(),
};

class ConfigurationSession implements FuzzSession {
  #worker = startWorker();

  attempt(cases: readonly FuzzCase[]): Promise<readonly Finding[]> {
    const worker = this.#worker;
    return new Promise((resolve) => {
      const found: Finding[] = [];
      let index = 0;
      const over = (last?: Omit<Finding, 'index'>): void => {
        clearTimeout(timer);
        worker.off('message', told).off('error', broke);
        if (last) found.push({ index, ...last });
        resolve(found);
      };
      const hangs = (): void => {
        void worker.terminate();
        this.#worker = startWorker();
        over({ rule: 'a file is judged within a second', detail: `not even within ${HANGING_MS} ms` });
      };
      let timer = setTimeout(hangs, HANGING_MS);
      const told = (message: WorkerMessage): void => {
        switch (message.kind) {
          case 'begun':
            index = message.index;
            clearTimeout(timer);
            timer = setTimeout(hangs, HANGING_MS);
            break;
          case 'broken':
            found.push({ index: message.index, rule: message.rule, detail: message.detail });
            break;
          case 'done':
            over();
        }
      };
      const broke = (fault: unknown): void => {
        this.#worker = startWorker();
        over({ rule: 'a bad file is told of, not run into', detail: String((fault as Error).stack) });
      };
      worker.on('message', told).on('error', broke);
      worker.postMessage(cases);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

function startWorker(): Worker {
  return new Worker(new URL('worker.ts', import.meta.url));
}
