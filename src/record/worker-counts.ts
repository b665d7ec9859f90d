// How many processes serve. A gateway of one process is one worker that nobody replaces.
import type { Registry } from 'prom-client';
import { publish, publishValue } from './published.ts';

export interface WorkerCounts {
  readonly configured: number;
  /** Serving, and heard from lately. */
  readonly running: number;
  /** Workers that took another's place. */
  readonly restarts: number;
}

export const ONE_PROCESS: WorkerCounts = { configured: 1, running: 1, restarts: 0 };

export function publishWorkers(registry: Registry, workers: () => WorkerCounts): void {
  publish(registry, 'gauge', 'portcullis_workers', 'Worker processes: as configured, and as they run.', () => {
    const { configured, running } = workers();
    return [
      { labels: { state: 'configured' }, value: configured },
      { labels: { state: 'running' }, value: running },
    ];
  });
  publishValue(
    registry,
    'counter',
    'portcullis_worker_restarts_total',
    'Worker processes that took the place of one that had ended.',
    () => workers().restarts,
  );
}
