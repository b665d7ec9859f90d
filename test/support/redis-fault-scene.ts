// Gateways on a store that is about to break, with requests of good, revoked and unknown keys flowing through them; and
// what has to hold of every fault, whatever it is: nothing passes that may not, nobody waits for long, the processes
// live, and all is well again soon after the store is.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { Scene } from './acceptance-scene.ts';
import { eventually } from './acceptance-wait.ts';
import { found } from './findings.ts';
import type { GatewayProcess, Settings } from './gateway-process.ts';
import { longestMs, MARK, statusesOf, SteadyLoad, type Answered, type LoadKey } from './steady-load.ts';

/** The keys that requests flow with, besides those that a test is to revoke. */
const KEYS = [
  { id: 'good', target: '/plain', isGood: true },
  { id: 'limited', target: '/limited', isGood: true },
  { id: 'revoked', target: '/plain', isGood: false },
  { id: 'stranger', target: '/plain', isGood: false, isNew: true },
];

/** What is promised of recovery, ms; machines that are shared and slow are allowed three times as much. */
export const RECOVERY_MS = 2_000;
/** How much longer than the store's timeout an answer may take, ms; the same is true of it. */
const ANSWER_MARGIN_MS = 150;
const HEAD_ROOM = 3;

export interface RedisFaultSettings {
  /** The store that each gateway uses; they share what is behind it. */
  readonly urls: readonly string[];
  readonly timeoutMs: number;
  readonly maxStalenessMs: number;
  /** Over the settings of all gateways. */
  readonly own?: Settings;
  /** Keys that are good until the test {@link RedisFaultScene.revoke}s them. */
  readonly revocable?: readonly string[];
}

export interface RedisFault {
  readonly promise: number;
  readonly tried: string;
  readonly promised: string;
  /** Begins it. */
  readonly breaks: () => unknown;
  /** How long it lasts, ms. */
  readonly lastsMs: number;
  /** Ends it; the store is well when it resolves. */
  readonly heals: () => unknown;
  /** What is to hold of the answers while it lasts; what it gives is said with the rest. */
  readonly meanwhile?: (answers: readonly Answered[]) => unknown;
  /** Answers are bounded by the store's timeout (default), or the fault is one in which each operation is in time. */
  readonly isBounded?: boolean;
}

export class RedisFaultScene {
  readonly scene: Scene;
  readonly gateways: readonly GatewayProcess[];
  readonly load: SteadyLoad;
  readonly #timeoutMs: number;

  private constructor(scene: Scene, gateways: readonly GatewayProcess[], load: SteadyLoad, timeoutMs: number) {
    this.scene = scene;
    this.gateways = gateways;
    this.load = load;
    this.#timeoutMs = timeoutMs;
  }

  /** Starts the gateways and the load, and waits until all flows are answered as they should be. */
  static async open(settings: RedisFaultSettings): Promise<RedisFaultScene> {
    const { urls, timeoutMs, revocable = [] } = settings;
    const keys = [...KEYS, ...revocable.map((id) => ({ id, target: '/plain', isGood: true }))].map((key): LoadKey => ({
      ...key,
      secret: secretOf(key.id),
    }));
    // Its own store is not used.
    const scene = await Scene.open('sqlite');
    try {
      const reached = new Set<string>();
      const app = await scene.upstream((request, response) => {
        reached.add(String(request.headers[MARK]));
        request.resume();
        response.end('ok');
      });
      const gateways = await Promise.all(
        urls.map((url) => scene.gateway({ ...gatewaySettings(url, app.url, settings), ...settings.own })),
      );
      const [first] = gateways as [GatewayProcess, ...GatewayProcess[]];
      await importKeys(scene, first, keys);
      const load = new SteadyLoad({
        ports: gateways.map(({ proxyPort }) => proxyPort),
        keys,
        reached,
      });
      scene.onClose(() => load.stop());
      const under = new RedisFaultScene(scene, gateways, load, timeoutMs);
      await under.load.isWellSince(performance.now(), 10_000);
      return under;
    } catch (error) {
      await scene.close();
      throw error;
    }
  }

  /**
   * Revokes a key by a command at one of the gateways' configurations. It may not pass in requests that are sent more
   * than `graceMs` after that.
   * @returns when the command had ended, on `performance.now()`
   */
  async revoke(id: string, gateway: GatewayProcess, graceMs: number): Promise<number> {
    await this.scene.run(gateway, 'keys', 'revoke', id);
    const revokedMs = performance.now();
    this.load.refuseFrom(id, revokedMs + graceMs);
    return revokedMs;
  }

  /** Has the fault happen, holds what was promised against what is seen, and says both. */
  async endure(t: TestContext, fault: RedisFault): Promise<void> {
    const { load } = this;
    await load.isWellSince(performance.now(), HEAD_ROOM * RECOVERY_MS);
    const brokenMs = performance.now();
    let noted: unknown;
    try {
      await fault.breaks();
      await pause(fault.lastsMs);
      noted = await fault.meanwhile?.(load.since(brokenMs));
    } finally {
      await fault.heals();
    }
    const healedMs = performance.now();
    const recoveryMs = await load.isWellSince(healedMs, HEAD_ROOM * RECOVERY_MS);
    const answers = load.since(brokenMs);
    this.assertSafe(answers);
    const longest = longestMs(answers);
    const boundMs = HEAD_ROOM * (this.#timeoutMs + ANSWER_MARGIN_MS);
    if (fault.isBounded ?? true) assert.ok(longest <= boundMs, `an answer took ${Math.round(longest)} ms`);
    await this.assertAlive();
    found(t, {
      promise: fault.promise,
      tried: fault.tried,
      promised: fault.promised,
      seen: [
        `${answers.length} requests (${statusesOf(answers)})`,
        '0 unauthorised at the upstream',
        `longest answer ${Math.round(longest)} ms with store.timeout ${this.#timeoutMs} ms`,
        `recovery ${Math.round(recoveryMs)} ms`,
        'the same process, nothing on its standard error',
        ...(typeof noted === 'string' ? [noted] : []),
      ].join('; '),
    });
  }

  /** What holds whatever happens to the store: keys are never mixed up, and nobody's connection breaks. */
  assertSafe(answers: readonly Answered[]): void {
    const isExpected = ({ key, status, code }: Answered): boolean => {
      if (code === 'store_unavailable') return true;
      const named = KEYS.find(({ id }) => id === key);
      // One that a test revokes is answered in either way, and held against the time of that.
      return named ? status === (named.isGood ? 200 : 401) : status === 200 || status === 401;
    };
    const strange = answers.filter((answer) => !isExpected(answer));
    assert.deepEqual(strange.slice(0, 3), [], statusesOf(strange));
    assert.deepEqual(this.load.unauthorised(answers), []);
  }

  /** The processes are the ones that were started, they live, and no error has escaped to their standard error. */
  async assertAlive(): Promise<void> {
    for (const gateway of this.gateways) {
      assert.equal((await this.probe(gateway, '/livez')).status, 200);
      const strayLines = gateway
        .output()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('{'));
      assert.deepEqual(strayLines, []);
      assert.doesNotMatch(gateway.output(), /an-imported-key/);
    }
  }

  probe(gateway: GatewayProcess, path: '/livez' | '/readyz'): Promise<Response> {
    return fetch(`http://127.0.0.1:${gateway.opsPort}${path}`, { signal: AbortSignal.timeout(5_000) });
  }

  /** Waits until `/readyz` has this status. */
  async readiness(gateway: GatewayProcess, status: 200 | 503): Promise<string> {
    return eventually(
      async () => {
        const answer = await this.probe(gateway, '/readyz');
        const text = await answer.text();
        assert.equal(answer.status, status, text);
        return text;
      },
      { withinMs: HEAD_ROOM * RECOVERY_MS },
    );
  }

  async close(): Promise<void> {
    await this.scene.close();
  }
}

function secretOf(id: string): string {
  return `an-imported-key-${id}`;
}

function gatewaySettings(url: string, app: string, { timeoutMs, maxStalenessMs }: RedisFaultSettings): Settings {
  return {
    store: { url, timeout: `${timeoutMs}ms`, maxStaleness: `${maxStalenessMs}ms` },
    log: { requests: 'denied' },
    // All that flows comes from one address; the guard is not what is tried here.
    guard: { failures: 1_000_000 },
    upstreams: { app: { targets: [app] } },
    routes: {
      plain: { path: '/plain', upstream: 'app' },
      limited: {
        path: '/limited',
        upstream: 'app',
        limits: { calls: { requests: 1_000_000, per: '30d', algorithm: 'fixed', by: 'key' } },
      },
    },
  };
}

async function importKeys(scene: Scene, gateway: GatewayProcess, keys: readonly LoadKey[]): Promise<void> {
  const known = keys.filter(({ id }) => id !== 'stranger');
  await scene.importKeys(
    gateway,
    known.map(({ id, secret }) => ({ id, owner: 'acme', secret })),
  );
  await scene.run(gateway, 'keys', 'revoke', 'revoked');
}
