// The data plane of one process: enforcement, upstreams and the listener that clients connect to. A gateway
// of one process has one and the ops listener beside it; each worker of several has one.
import type { AddressInfo } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';
import { compileHeaderRules } from '../forward/headers.ts';
import { Upstreams } from '../forward/targets.ts';
import { createListener, type Listener } from '../fronts/listener.ts';
import { ProxyFront, type Runtime } from '../fronts/proxy.ts';
import { elapsed } from './elapsed.ts';
import type { Adopt, Enforcement, InForce } from './enforcement.ts';
import { refuseWithoutUpstream } from './loaded.ts';
import { mostConnections } from './most-connections.ts';

export class DataPlane {
  readonly enforcement: Enforcement;
  readonly #runtime: () => Runtime;
  readonly #listener: Listener;

  /** Builds the data plane over an enforcement that `create` builds. Nothing listens yet. */
  static async open(create: (adopt: Adopt) => Promise<Enforcement>): Promise<DataPlane> {
    let runtime: Runtime | undefined;
    const enforcement = await create(({ config: next, policy }: InForce): void => {
      refuseWithoutUpstream(policy);
      const upstreams = Upstreams.build(next.upstreams, runtime?.upstreams);
      runtime = { policy, upstreams, headerRules: compileHeaderRules(policy.credentials, policy.identity) };
      upstreams.start();
      upstreams.closeUnused();
    });
    return new DataPlane(enforcement, () => runtime!);
  }

  private constructor(enforcement: Enforcement, runtime: () => Runtime) {
    const { metrics, log, decide, open, recorder } = enforcement;
    this.enforcement = enforcement;
    this.#runtime = runtime;
    const { count, advice } = mostConnections();
    this.#listener = createListener(
      new ProxyFront({
        runtime,
        decide,
        open,
        recorder,
        now: Date.now,
        isDraining: () => this.#listener.isDraining,
        onBug: (bug, requestId) => log.error('a defect ended a request', { requestId, bug }),
      }),
      { mostConnections: count, onFull: () => log.warn(advice) },
    );
    metrics.supply({ upstreamStates: () => upstreamStates(runtime().upstreams) });
  }

  /** @param isShared other processes listen there too */
  listen(host: string, port: number, isShared: boolean): Promise<AddressInfo> {
    return this.#listener.listen(host, port, isShared);
  }

  /** Why the store does not answer; null where it does. */
  async storeFault(): Promise<string | null> {
    const fault = await this.enforcement.store.ping().then(
      () => null,
      (error: Error) => error.message,
    );
    this.enforcement.metrics.storeUp(fault === null);
    return fault;
  }

  /** Stops accepting, and resolves when every request has ended (true) or `shutdown.timeout` cut the rest; either way they are recorded. */
  async drain(): Promise<boolean> {
    const deadline = elapsed(this.enforcement.inForce().config.shutdown.timeout);
    const isFinished = await Promise.race([this.#listener.drain().then(() => true), deadline.done.then(() => false)]);
    deadline.cancel();
    await this.#cutTunnels();
    this.#listener.cut();
    await this.#recorded();
    return isFinished;
  }

  async close(): Promise<void> {
    await this.#runtime().upstreams.close();
    await this.enforcement.close();
  }

  /** The end of a connection is heard of a moment after it, and only then is what was on it recorded. */
  async #recorded(): Promise<void> {
    const until = performance.now() + BOUNDS.lastRecordsMs;
    while (this.enforcement.metrics.inFlight > 0 && performance.now() < until) await elapsed(RECORD_LOOK_MS).done;
  }

  /** Open WebSockets are told that the server goes away (RFC 6455 section 7.4.1). */
  async #cutTunnels(): Promise<void> {
    const { openTunnels } = this.#runtime().upstreams;
    if (openTunnels.size === 0) return;
    for (const tunnel of openTunnels) tunnel.close(1001);
    await elapsed(BOUNDS.drainIdleMs).done;
  }
}

/** Between two looks at whether all is recorded, ms. */
const RECORD_LOOK_MS = 5;

function upstreamStates(upstreams: Upstreams) {
  return [...upstreams].flatMap((upstream) =>
    upstream.states().map((state) => ({ upstream: upstream.name, ...state })),
  );
}
