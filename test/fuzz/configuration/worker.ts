// Judges configuration files on a thread of its own, so that one on which the reader hangs can be told of and ended.
import { parentPort } from 'node:worker_threads';
import type { FuzzCase } from '../fuzz-case.ts';
import { judge } from './judge.ts';

/** What the thread says: that it begins with a case, that one broke a rule, that it is done. */
export type WorkerMessage =
  | { readonly kind: 'begun'; readonly index: number }
  | { readonly kind: 'broken'; readonly index: number; readonly rule: string; readonly detail: string }
  | { readonly kind: 'done' };

parentPort!.on('message', (cases: readonly FuzzCase[]) => void judgeAll(cases));

async function judgeAll(cases: readonly FuzzCase[]): Promise<void> {
  const tell = (message: WorkerMessage): void => parentPort!.postMessage(message);
  for (const [index, { parts }] of cases.entries()) {
    tell({ kind: 'begun', index });
    const verdict = await judge(parts.join('\n'));
    if (verdict) tell({ kind: 'broken', index, ...verdict });
  }
  tell({ kind: 'done' });
}
