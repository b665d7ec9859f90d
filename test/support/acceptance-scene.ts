// What an acceptance test stands on: a directory, a store, upstreams and gateways, all gone when the scene is closed.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PEPPER, portcullis, type CommandEnd } from './acceptance-cli.ts';
import { openTestStore, type StoreKind, type TestStore } from './acceptance-store.ts';
import { startUpstream, type Answer, type Upstream } from './acceptance-upstream.ts';
import { startGateway, type GatewayOptions, type GatewayProcess, type Settings } from './gateway-process.ts';

/** A key as a line of `keys import`. */
export type ImportedKey = Readonly<Record<string, unknown>>;

export class Scene {
  readonly directory: string;
  readonly store: TestStore;
  readonly #closers: (() => Promise<unknown>)[] = [];
  #gateways = 0;

  private constructor(directory: string, store: TestStore) {
    this.directory = directory;
    this.store = store;
    this.onClose(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
    this.onClose(() => store.close());
  }

  static async open(kind: StoreKind): Promise<Scene> {
    const directory = await mkdtemp(join(tmpdir(), 'portcullis-acceptance-'));
    return new Scene(directory, await openTestStore(kind, directory));
  }

  /** Has something ended when the scene closes; the last thing opened ends first. */
  onClose(end: () => Promise<unknown>): void {
    this.#closers.push(end);
  }

  /** What every configuration says in the same way. */
  settings(own: Settings): Settings {
    return {
      store: { url: this.store.url },
      credentials: { pepper: `env:${PEPPER.name}` },
      ...own,
    };
  }

  async upstream(answer?: Answer): Promise<Upstream> {
    const upstream = await startUpstream(answer);
    this.onClose(() => upstream.close());
    return upstream;
  }

  /** Starts a gateway whose configuration is {@link settings} of `own`. */
  gateway(own: Settings, options: Partial<GatewayOptions> = {}): Promise<GatewayProcess> {
    const name = `gateway-${++this.#gateways}`;
    const starting = startGateway(this.settings(own), { directory: this.directory, name, ...options });
    // Also one that is still starting when the scene closes, because another one beside it failed.
    this.onClose(() =>
      starting.then(
        (gateway) => gateway.stop(),
        () => undefined,
      ),
    );
    return starting;
  }

  /** Runs a command on a gateway's configuration, and expects it to succeed. */
  run(gateway: { readonly configFile: string }, ...args: string[]): Promise<CommandEnd> {
    return this.#runIn({}, gateway, args);
  }

  async #runIn(
    env: Readonly<Record<string, string>>,
    gateway: { readonly configFile: string },
    args: readonly string[],
  ): Promise<CommandEnd> {
    const end = await portcullis([...args, '-c', gateway.configFile], { cwd: this.directory, env });
    assert.equal(end.code, 0, `portcullis ${args.join(' ')} exited with ${end.code}: ${end.stderr}${end.stdout}`);
    return end;
  }

  /** Runs a command with `--json` and gives its one object. */
  async json(gateway: { readonly configFile: string }, ...args: string[]): Promise<Record<string, unknown>> {
    const { stdout } = await this.run(gateway, ...args, '--json');
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Imports keys with the secrets that tests choose. */
  async importKeys(
    gateway: { readonly configFile: string },
    keys: readonly ImportedKey[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const file = join(this.directory, `import-${Math.random().toString(36).slice(2)}.jsonl`);
    await writeFile(file, keys.map((key) => `${JSON.stringify(key)}\n`).join(''));
    await this.#runIn(env, gateway, ['keys', 'import', file]);
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#closers.splice(0).reverse()) {
      await end().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, 'the scene did not close');
  }
}
