// The whole gateway in one process: the data plane, the ops listener, and the order in which they start and stop.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LoadedConfig } from '../config/load.ts';
import { createOpsServer, type Readiness } from '../fronts/ops.ts';
import { addressText, listenAt, listenForOps } from './addresses.ts';
import { DataPlane } from './data-plane.ts';
import { elapsed } from './elapsed.ts';
import { createEnforcement, type ConfigSource } from './enforcement.ts';

export interface GatewayOptions {
  /**
   * Path of the configuration file, which is watched, or the configuration itself. `workers` is for
   * `portcullis serve`: here the gateway always runs in this one process.
   */
  readonly config: ConfigSource;
  /** Where `${NAME}` and `env:NAME` are looked up. Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface RunningGateway {
  /** Where the data plane listens. */
  readonly proxyAddress: AddressInfo;
  /** Where /metrics, /livez and /readyz are. */
  readonly opsAddress: AddressInfo;
  /** Reads the configuration file again; one that is refused is logged, and the one before stays in force. */
  reload(): Promise<void>;
  /** Drains as SPEC section 6 has it. Resolves to 0 where every request finished in time, else to 1. */
  stop(): Promise<0 | 1>;
}

/**
 * Starts a gateway.
 * @param loaded the configuration, where it was read already
 * @throws {UserFault} one sentence with the cure: the configuration is wrong, a secret is missing, the store is
 *   not fit, an address is taken
 */
export async function startGateway(
  { config, env = process.env }: GatewayOptions,
  loaded?: LoadedConfig,
): Promise<RunningGateway> {
  const plane = await DataPlane.open((adopt) =>
    createEnforcement({ config, env, ...(loaded === undefined ? {} : { loaded }) }, adopt),
  );
  const gateway = new Gateway(plane);
  try {
    await gateway.listen();
    const { inForce, log } = plane.enforcement;
    if (loaded === undefined && inForce().config.workers !== 1)
      log.info('workers is for portcullis serve; this gateway runs in one process');
    return gateway;
  } catch (fault) {
    await gateway.close();
    throw fault;
  }
}

class Gateway implements RunningGateway {
  readonly #plane: DataPlane;
  readonly #ops: Server;
  #isStopping = false;
  #stopped: Promise<0 | 1> | undefined;
  proxyAddress!: AddressInfo;
  opsAddress!: AddressInfo;

  constructor(plane: DataPlane) {
    this.#plane = plane;
    const { metrics } = plane.enforcement;
    this.#ops = createOpsServer({ ready: () => this.#readiness(), metrics: () => metrics.scrape() });
  }

  async listen(): Promise<void> {
    const { log, inForce } = this.#plane.enforcement;
    const { listen } = inForce().config;
    this.opsAddress = await listenForOps(this.#ops, listen.ops);
    this.proxyAddress = await listenAt(listen.proxy, 'listen.proxy', (host, port) =>
      this.#plane.listen(host, port, false),
    );
    log.info('listening', { proxy: addressText(this.proxyAddress), ops: addressText(this.opsAddress) });
  }

  reload(): Promise<void> {
    return this.#plane.enforcement.reload();
  }

  stop(): Promise<0 | 1> {
    this.#stopped ??= this.#drain();
    return this.#stopped;
  }

  async close(): Promise<void> {
    this.#ops.closeAllConnections();
    this.#ops.close();
    await this.#plane.close();
  }

  async #drain(): Promise<0 | 1> {
    const { log, inForce } = this.#plane.enforcement;
    const { delay, timeout } = inForce().config.shutdown;
    this.#isStopping = true;
    log.info('draining', { delayMs: delay, timeoutMs: timeout });
    await elapsed(delay).done;
    const isFinished = await this.#plane.drain();
    log.info('stopped', { isFinished });
    await this.close();
    return isFinished ? 0 : 1;
  }

  async #readiness(): Promise<Readiness> {
    return { isDraining: this.#isStopping, storeFault: await this.#plane.storeFault() };
  }
}
