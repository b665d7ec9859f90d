// What the tests of faults stand on: a gateway as a process, a store, an upstream that keeps what it got, one key;
// and what has to hold after every fault, whatever it was.
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { send, type Response } from './acceptance-http.ts';
import { Scene } from './acceptance-scene.ts';
import type { StoreKind } from './acceptance-store.ts';
import type { Answer, Upstream } from './acceptance-upstream.ts';
import { eventually } from './acceptance-wait.ts';
import { FaultLoad, type LoadOptions, STRANGER_FIELD } from './fault-load.ts';
import type { GatewayOptions, GatewayProcess, Settings } from './gateway-process.ts';
import { isAlive } from './gateway-workers.ts';
import { descriptorsOf } from './process-facts.ts';

/** The key of the one who may. */
export const KEY = 'the-key-of-the-one-who-may-0123456789';

export interface FaultOptions {
  readonly kind?: StoreKind;
  readonly answer?: Answer;
  /** Takes the place of whole sections. */
  readonly own?: (scene: Scene) => Settings;
  /** Beside `/things/**`. */
  readonly routes?: Settings;
  /** Beside `app`. */
  readonly upstreams?: Settings;
  readonly gateway?: Partial<GatewayOptions>;
}

/** Idle connections to it are given up after 1 s, so that descriptors are soon those that leaked. */
export function keepBriefly(response: ServerResponse): void {
  response.setHeader('Connection', 'keep-alive');
  response.setHeader('Keep-Alive', 'timeout=2');
}

export const answerBriefly: Answer = (request, response) => {
  keepBriefly(response);
  request.resume().on('end', () => response.end('ok'));
};

export class FaultScene {
  readonly scene: Scene;
  readonly app: Upstream;
  readonly settings: Settings;
  readonly gateway: GatewayProcess;
  readonly #loads: FaultLoad[] = [];
  /** Open descriptors of the gateway before the fault. */
  baseline = 0;

  private constructor(scene: Scene, app: Upstream, settings: Settings, gateway: GatewayProcess) {
    this.scene = scene;
    this.app = app;
    this.settings = settings;
    this.gateway = gateway;
  }

  static async open(options: FaultOptions = {}): Promise<FaultScene> {
    const scene = await Scene.open(options.kind ?? 'sqlite');
    try {
      const app = await scene.upstream(options.answer ?? answerBriefly);
      const settings = scene.settings({
        // Strangers are to be refused for what they are, not for how many they are.
        guard: { failures: 1_000_000, per: '1m', block: '1m' },
        upstreams: { app: { targets: [app.url] }, ...options.upstreams },
        routes: { things: { path: '/things/**', upstream: 'app' }, ...options.routes },
        ...options.own?.(scene),
      });
      const gateway = await scene.gateway(settings, options.gateway);
      const opened = new FaultScene(scene, app, settings, gateway);
      await scene.importKeys(gateway, [{ id: 'holder', owner: 'acme', secret: KEY }]);
      await eventually(async () => assert.equal((await opened.ask('/things/first')).status, 200));
      opened.settle();
      return opened;
    } catch (error) {
      await scene.close();
      throw error;
    }
  }

  /** Takes the descriptors that are open now for the baseline. */
  settle(): void {
    this.baseline = descriptorsOf(this.gateway.pid);
  }

  async close(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()));
    await this.scene.close();
  }

  ask(target = '/things/x', withinMs?: number): Promise<Response> {
    return send(this.gateway.proxyPort, { target, headers: { 'X-Api-Key': KEY } }, withinMs);
  }

  load(options: Partial<LoadOptions> = {}): FaultLoad {
    const load = new FaultLoad({ port: this.gateway.proxyPort, key: KEY, ...options });
    // A test that fails leaves its load behind.
    this.#loads.push(load);
    return load;
  }

  /** Requests that reached the upstream and were nobody's who may. */
  get unauthorised(): number {
    const isAuthorised = (request: Upstream['seen'][number]): boolean =>
      request.header(STRANGER_FIELD) === undefined && request.header('X-Credential-Identifier') !== undefined;
    return this.app.seen.filter((request) => !isAuthorised(request)).length;
  }

  /** Lines that the gateway said outside of its log, on either stream. */
  get stray(): string[] {
    return this.gateway
      .output()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('{"'));
  }

  /**
   * Asserts what holds after every fault: the process lives and serves, nobody got past it, it said nothing but its
   * log, no request met a defect, and its descriptors are back where they were. Gives that as words.
   */
  async assertUnharmed(withinMs = 8_000): Promise<string> {
    assert.ok(isAlive(this.gateway.pid), this.gateway.output().slice(-2_000));
    await eventually(async () => assert.equal((await this.ask('/things/after')).status, 200), { withinMs });
    assert.equal(this.unauthorised, 0);
    assert.deepEqual(this.stray, []);
    assert.deepEqual(
      this.gateway.log.filter(({ msg }) => /defect/.test(String(msg))),
      [],
    );
    let now = 0;
    await eventually(
      () => {
        now = descriptorsOf(this.gateway.pid);
        assert.ok(now <= this.baseline, `${now} descriptors, ${this.baseline} before`);
      },
      { withinMs },
    );
    return `process alive, 0 unauthorised, nothing on stderr, descriptors ${this.baseline} before and ${now} after`;
  }
}
