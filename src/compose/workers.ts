// How many processes a gateway is, and the start of it: one is the gateway itself, more have a primary.
import { availableParallelism } from 'node:os';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { RunningGateway } from './gateway.ts';

/** A gateway as `portcullis serve` runs it. */
export interface Serving extends RunningGateway {
  /** Ends the gateway's other processes, where there are any, at once. */
  cut(): void;
}

/**
 * Starts the gateway of a configuration file, in as many processes as it says.
 * @throws {UserFault} as `startGateway`
 */
export async function startServing(config: string, env: NodeJS.ProcessEnv): Promise<Serving> {
  const loaded = await loadConfig(config, env);
  const count = workerCount(loaded.config);
  // A primary does without the data plane, and a gateway of one process without a primary.
  if (count > 1) {
    const { startPrimary } = await import('./primary.ts');
    return await startPrimary({ loaded, env, count });
  }
  const { startGateway } = await import('./gateway.ts');
  const gateway = await startGateway({ config, env }, loaded);
  return Object.assign(gateway, { cut: () => {} });
}

/** `auto` is one for each core that this process may use. */
function workerCount({ workers }: Config): number {
  return workers === 'auto' ? Math.min(availableParallelism(), 256) : workers;
}
