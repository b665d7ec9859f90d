// The package's main entry: the whole gateway in a process.
import { type GatewayOptions, type RunningGateway, startGateway } from './compose/gateway.ts';
import type { ConfigInput } from './config/schema.ts';

export type { ConfigInput, GatewayOptions, RunningGateway };

/**
 * Starts the whole gateway in this process: the data plane, the ops listener, the store and the change feed.
 * Resolves once it listens. `workers` in the configuration is for `portcullis serve`: here it is always this one process.
 *
 * @example
 * const gateway = await createGateway({ config: 'config/portcullis.yaml' });
 * process.once('SIGTERM', async () => process.exit(await gateway.stop()));
 *
 * @throws {UserFault} with one sentence that says what is wrong and the cure
 */
export function createGateway(options: GatewayOptions): Promise<RunningGateway> {
  return startGateway(options);
}
