// Upstreams and their targets: round robin over the healthy ones, one pool of connections each. Upstreams
// that a reload leaves unchanged keep their pools, their health and their turn; a target that stays in one that changes
// keeps its health.
import { isDeepStrictEqual } from 'node:util';
import type { UpstreamConfig } from '../config/schema.ts';
import { Connections } from '../wire/connections.ts';
import type { UpstreamClient } from '../wire/exchange.ts';
import { HealthCheck } from './health.ts';
import type { Tunnel } from './tunnel.ts';

/** Where one target stands, for the metrics. */
export interface TargetState {
  readonly target: string;
  readonly isHealthy: boolean;
}

/** One place that requests go to. */
export class Target {
  /** As configured, such as `http://127.0.0.1:3000`. */
  readonly origin: string;
  /** Host and port, as the Host field says them. */
  readonly authority: string;
  /** Whether it is reached over TLS. */
  readonly isSecure: boolean;
  readonly client: UpstreamClient;
  readonly health: HealthCheck | null;
  /** A list of nothing but this one: what most requests have tried. */
  readonly alone: readonly Target[] = [this];

  /** @param before what stood at this origin before a reload */
  constructor(origin: string, config: UpstreamConfig, before?: Target) {
    this.origin = origin;
    const { host, protocol } = new URL(origin);
    this.authority = host;
    this.isSecure = protocol === 'https:';
    this.client = new Connections(origin, config);
    const { health, connectTimeout, responseTimeout } = config;
    this.health = health ? new HealthCheck(origin, health, connectTimeout + responseTimeout) : null;
    if (before?.health) this.health?.takeOver(before.health);
  }

  get isHealthy(): boolean {
    return this.health === null || this.health.isHealthy;
  }
}

export class Upstream {
  readonly name: string;
  readonly config: UpstreamConfig;
  readonly targets: readonly Target[];
  /** Tunnels that are open, to any upstream of the gateway. */
  readonly openTunnels: Set<Tunnel>;
  #turn = 0;

  /** @param before what had this name before a reload */
  constructor(name: string, config: UpstreamConfig, openTunnels: Set<Tunnel>, before?: Upstream) {
    this.name = name;
    this.config = config;
    this.openTunnels = openTunnels;
    this.targets = config.targets.map(
      (origin) =>
        new Target(
          origin,
          config,
          before?.targets.find((target) => target.origin === origin),
        ),
    );
  }

  /**
   * The target whose turn it is: healthy, with room for a request, and preferably not tried yet. Undefined
   * where there is none.
   */
  next(tried: readonly Target[]): Target | undefined {
    const { targets } = this;
    let again: Target | undefined;
    for (let step = 0; step < targets.length; step++) {
      const at = (this.#turn + step) % targets.length;
      const target = targets[at]!;
      if (!target.isHealthy || !target.client.hasRoom) continue;
      if (tried.includes(target)) {
        again ??= target;
        continue;
      }
      this.#turn = (at + 1) % targets.length;
      return target;
    }
    return again;
  }

  /** Whether a target is up; false for one that is none. */
  isHealthy(target: string): boolean {
    return this.targets.some(({ origin, isHealthy }) => origin === target && isHealthy);
  }

  states(): TargetState[] {
    return this.targets.map(({ origin, isHealthy }) => ({ target: origin, isHealthy }));
  }

  /** Begins the health checks. */
  start(): void {
    for (const { health } of this.targets) health?.start();
  }

  /** Ends the health checks. Requests may still come and go. */
  stop(): void {
    for (const { health } of this.targets) health?.stop();
  }

  /** Ends everything, connections after the requests on them. */
  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.targets.map(({ client }) => client.close()));
  }
}

/** All upstreams of one configuration. */
export class Upstreams {
  readonly openTunnels: Set<Tunnel>;
  readonly #byName: ReadonlyMap<string, Upstream>;
  #replaced: readonly Upstream[];

  private constructor(byName: ReadonlyMap<string, Upstream>, replaced: readonly Upstream[], openTunnels: Set<Tunnel>) {
    this.#byName = byName;
    this.#replaced = replaced;
    this.openTunnels = openTunnels;
  }

  /**
   * Builds the upstreams of a configuration; those that are the same as before are taken over from `previous`.
   * Nothing runs until {@link start}, so a configuration that is refused after all leaves nothing behind.
   */
  static build(configs: Readonly<Record<string, UpstreamConfig>>, previous?: Upstreams): Upstreams {
    const openTunnels = previous?.openTunnels ?? new Set<Tunnel>();
    const byName = new Map<string, Upstream>();
    for (const [name, config] of Object.entries(configs)) {
      const before = previous?.find(name);
      const isSame = before !== undefined && isDeepStrictEqual(before.config, config);
      byName.set(name, isSame ? before : new Upstream(name, config, openTunnels, before));
    }
    const replaced = [...(previous ?? [])].filter((before) => byName.get(before.name) !== before);
    return new Upstreams(byName, replaced, openTunnels);
  }

  /** @throws {Error} for a name that the configuration does not have */
  get(name: string): Upstream {
    const upstream = this.#byName.get(name);
    if (!upstream) throw new Error(`no upstream is called ${JSON.stringify(name)}`);
    return upstream;
  }

  find(name: string): Upstream | undefined {
    return this.#byName.get(name);
  }

  [Symbol.iterator](): Iterator<Upstream> {
    return this.#byName.values();
  }

  /** Begins the health checks of those that are new. */
  start(): void {
    for (const upstream of this) upstream.start();
  }

  /**
   * Lets go of the previous configuration's upstreams that were not taken over. A request that was decided
   * under it may still be forwarded; the idle connections end by themselves.
   */
  closeUnused(): void {
    for (const upstream of this.#replaced) upstream.stop();
    this.#replaced = [];
  }

  /** Ends everything, connections after the requests on them. */
  async close(): Promise<void> {
    this.closeUnused();
    await Promise.all([...this].map((upstream) => upstream.close()));
  }
}
