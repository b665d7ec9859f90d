// The whole gateway in a process: enforcement, upstreams, the data plane's listener and the ops listener, and
// the order in which they start and stop.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';
import { parseHostPort } from '../core/host-port.ts';
import type { Policy } from '../core/policy.ts';
import type { Store } from '../core/ports.ts';
import { compileHeaderRules } from '../forward/headers.ts';
import { Upstreams } from '../forward/targets.ts';
import { createListener, type Listener } from '../fronts/listener.ts';
import { createOpsServer, type Readiness } from '../fronts/ops.ts';
import { ProxyFront, type Runtime } from '../fronts/proxy.ts';
import { createEnforcement, type ConfigSource, type Enforcement, type InForce } from './enforcement.ts';

export interface GatewayOptions {
  /** Path of the configuration file, which is watched, or the configuration itself. */
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
 * @throws {UserFault} one sentence with the cure: the configuration is wrong, a secret is missing, the store is
 *   not fit, an address is taken
 */
export async function startGateway({ config, env = process.env }: GatewayOptions): Promise<RunningGateway> {
  let runtime: Runtime | undefined;
  const adopt = ({ config: next, policy }: InForce): void => {
    refuseWithoutUpstream(policy);
    const upstreams = Upstreams.build(next.upstreams, runtime?.upstreams);
    runtime = { policy, upstreams, headerRules: compileHeaderRules(policy.credentials, policy.identity) };
    upstreams.start();
    upstreams.closeUnused();
  };
  const enforcement = await createEnforcement({ config, env }, adopt);
  const gateway = new Gateway(enforcement, () => runtime!);
  try {
    await gateway.listen();
    return gateway;
  } catch (fault) {
    await gateway.close();
    throw fault;
  }
}

/** The middleware form leaves forwarding to the application; a gateway has to know where to. */
function refuseWithoutUpstream({ routeList }: Policy): void {
  const route = routeList.find(({ upstream }) => upstream === null);
  if (route)
    throw new UserFault(`route ${route.name} has no upstream; add one under upstreams and name it in the route`, 78);
}

class Gateway implements RunningGateway {
  readonly #enforcement: Enforcement;
  readonly #runtime: () => Runtime;
  readonly #listener: Listener;
  readonly #ops: Server;
  #isStopping = false;
  #stopped: Promise<0 | 1> | undefined;
  proxyAddress!: AddressInfo;
  opsAddress!: AddressInfo;

  constructor(enforcement: Enforcement, runtime: () => Runtime) {
    const { metrics, log, decide, recorder, store } = enforcement;
    this.#enforcement = enforcement;
    this.#runtime = runtime;
    this.#listener = createListener(
      new ProxyFront({
        runtime,
        decide,
        recorder,
        now: Date.now,
        isDraining: () => this.#listener.isDraining,
        onBug: (bug, requestId) => log.error('a defect ended a request', { requestId, bug }),
      }),
    );
    this.#ops = createOpsServer({ ready: () => this.#readiness(store), metrics: () => metrics.scrape() });
    metrics.supply({ upstreamStates: () => upstreamStates(runtime().upstreams) });
  }

  async listen(): Promise<void> {
    const { listen } = this.#enforcement.inForce().config;
    this.opsAddress = await addressed(listen.ops, 'listen.ops', async (host, port) => {
      this.#ops.listen({ host, port });
      await once(this.#ops, 'listening');
      return this.#ops.address() as AddressInfo;
    });
    this.proxyAddress = await addressed(listen.proxy, 'listen.proxy', (host, port) =>
      this.#listener.listen(host, port),
    );
    this.#enforcement.log.info('listening', { proxy: textOf(this.proxyAddress), ops: textOf(this.opsAddress) });
  }

  reload(): Promise<void> {
    return this.#enforcement.reload();
  }

  stop(): Promise<0 | 1> {
    this.#stopped ??= this.#drain();
    return this.#stopped;
  }

  async close(): Promise<void> {
    await this.#runtime().upstreams.close();
    this.#ops.closeAllConnections();
    this.#ops.close();
    await this.#enforcement.close();
  }

  async #drain(): Promise<0 | 1> {
    const { delay, timeout } = this.#enforcement.inForce().config.shutdown;
    this.#isStopping = true;
    this.#enforcement.log.info('draining', { delayMs: delay, timeoutMs: timeout });
    await elapsed(delay).done;
    const deadline = elapsed(timeout);
    const isFinished = await Promise.race([this.#listener.drain().then(() => true), deadline.done.then(() => false)]);
    deadline.cancel();
    await this.#cutTunnels();
    this.#listener.cut();
    this.#enforcement.log.info('stopped', { isFinished });
    await this.close();
    return isFinished ? 0 : 1;
  }

  /** Open WebSockets are told that the server goes away (RFC 6455 section 7.4.1). */
  async #cutTunnels(): Promise<void> {
    const { openTunnels } = this.#runtime().upstreams;
    if (openTunnels.size === 0) return;
    for (const tunnel of openTunnels) tunnel.close(1001);
    await elapsed(BOUNDS.drainIdleMs).done;
  }

  async #readiness(store: Store): Promise<Readiness> {
    const storeFault = await store.ping().then(
      () => null,
      (fault: Error) => fault.message,
    );
    this.#enforcement.metrics.storeUp(storeFault === null);
    return { isDraining: this.#isStopping, storeFault };
  }
}

async function addressed<T>(
  text: string,
  field: string,
  listen: (host: string, port: number) => Promise<T>,
): Promise<T> {
  const place = parseHostPort(text);
  if (!place.ok) throw new UserFault(`${field} ${text} ${place.problem}`, 78);
  try {
    return await listen(place.host, place.port);
  } catch (fault) {
    throw new UserFault(
      `cannot listen at ${text} (${(fault as NodeJS.ErrnoException).code}); set ${field} to a free address of this machine`,
      1,
      fault,
    );
  }
}

function upstreamStates(upstreams: Upstreams) {
  return [...upstreams].flatMap((upstream) =>
    upstream.states().map((state) => ({ upstream: upstream.name, ...state })),
  );
}

function textOf({ address, port, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

function elapsed(ms: number): { done: Promise<void>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return { done: promise, cancel: () => clearTimeout(timer) };
}
