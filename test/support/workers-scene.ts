// A scene for gateways of several workers: the configuration they share, and how they are asked.
import { Agent, request } from 'node:http';
import { send } from './acceptance-http.ts';
import { Scene } from './acceptance-scene.ts';
import type { StoreKind } from './acceptance-store.ts';
import type { Upstream } from './acceptance-upstream.ts';
import type { GatewayProcess, Settings } from './gateway-process.ts';

export const WORKERS = 3;
/** Of the route `/limited`, an hour. */
export const LIMIT = 100;
/** Failed attempts that pass, an hour. */
export const FAILURES = 10;

/** What `/readyz` says. */
export interface Readiness {
  readonly status: number;
  readonly checks: {
    readonly store: string;
    readonly draining: boolean;
    readonly workers: Readonly<Record<string, string>>;
  };
}

export class WorkersScene {
  readonly scene: Scene;
  readonly app: Upstream;

  private constructor(scene: Scene, app: Upstream) {
    this.scene = scene;
    this.app = app;
  }

  static async open(kind: StoreKind): Promise<WorkersScene> {
    const scene = await Scene.open(kind);
    return new WorkersScene(scene, await scene.upstream());
  }

  close(): Promise<void> {
    return this.scene.close();
  }

  /** `own` takes the place of whole sections; `routes` come beside the others. */
  settings(own: Settings = {}, routes: Settings = {}): Settings {
    const app = { upstream: 'app' };
    return this.scene.settings({
      // What is asked is whether it holds, not how soon 2 cores get all the processes through it.
      store: { url: this.scene.store.url, timeout: '10s' },
      workers: WORKERS,
      guard: { failures: FAILURES, per: '1h', block: '1h' },
      upstreams: { app: { targets: [this.app.url] } },
      trustedProxies: ['127.0.0.1/32'],
      routes: {
        things: { ...app, path: '/things/**' },
        open: { ...app, path: '/open/**', access: 'public' },
        limited: { ...app, path: '/limited', limits: { calls: { requests: LIMIT, per: '1h' } } },
        ...routes,
      },
      ...own,
    });
  }

  start(own: Settings = {}): Promise<GatewayProcess> {
    return this.scene.gateway(this.settings(own));
  }
}

/** The status of one request over a connection of its own. */
export async function get(
  { proxyPort }: GatewayProcess,
  target: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  return (await send(proxyPort, { target, headers })).status;
}

/** Does one thing many times at once. */
export function many<T>(count: number, one: (at: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, at) => one(at)));
}

/** The statuses of many requests at once, each over a connection of its own, all of them open at the same time. */
export async function storm(
  { proxyPort: port }: GatewayProcess,
  count: number,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const one = (): Promise<number> =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, agent, headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      })
        .on('error', reject)
        .end();
    });
  try {
    return await many(count, one);
  } finally {
    agent.destroy();
  }
}

export async function readiness({ opsPort }: GatewayProcess): Promise<Readiness> {
  const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`, { signal: AbortSignal.timeout(15_000) });
  return { status: answer.status, checks: ((await answer.json()) as Pick<Readiness, 'checks'>).checks };
}
