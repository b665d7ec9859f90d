// The worker processes of a gateway under test, as its log names them.
import { readFileSync } from 'node:fs';
import { eventually } from './acceptance-wait.ts';
import type { GatewayProcess } from './gateway-process.ts';

/** The process ids of the workers that run now, by worker. */
export function workersOf({ log }: GatewayProcess): ReadonlyMap<number, number> {
  const pids = new Map<number, number>();
  for (const line of log) {
    if (line['msg'] === 'worker started') pids.set(Number(line['worker']), Number(line['pid']));
    else if (line['msg'] === 'a worker ended; another takes its place') pids.delete(Number(line['worker']));
  }
  return pids;
}

/** Waits until as many workers run, and gives their process ids. */
export function workerPids(gateway: GatewayProcess, count: number): Promise<number[]> {
  return eventually(() => {
    const pids = [...workersOf(gateway).values()];
    if (pids.length !== count) throw new Error(`${pids.length} workers run`);
    return pids;
  });
}

/** Whether the process is there and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
