// A directory with a configuration and a SQLite store, in which commands are run as at a terminal.
import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { type CommandEnd, PEPPER, portcullis } from './acceptance-cli.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

/** The configuration of a new scene; its store is `keys.db`. */
export const SETTINGS = {
  version: 1,
  listen: { proxy: '127.0.0.1:0', ops: '127.0.0.1:0' },
  store: { url: 'sqlite:keys.db' },
  credentials: { pepper: `env:${PEPPER.name}` },
  upstreams: { orders: { targets: ['http://127.0.0.1:9'] } },
  roles: { reader: ['orders:read'], writer: ['orders:write'] },
  plans: { free: { limits: { burst: { requests: 10, per: '1s' } } } },
  routes: { orders: { path: '/orders/**', upstream: 'orders', scopes: ['orders:read'] } },
  keys: { 'billing-job': { owner: 'acme', roles: ['reader'], plan: 'free', expires: '2099-12-31' } },
};

export class CommandScene {
  readonly dir: TempDir;

  private constructor(dir: TempDir) {
    this.dir = dir;
  }

  static async open(settings: object = SETTINGS): Promise<CommandScene> {
    const scene = new CommandScene(await makeTempDir());
    await scene.configure(settings);
    return scene;
  }

  /** Replaces the configuration. */
  configure(settings: object): Promise<void> {
    return writeFile(this.dir.file('portcullis.yaml'), stringify(settings));
  }

  /** Runs `portcullis ARGS`; the configuration is found through the environment. */
  run(...args: string[]): Promise<CommandEnd> {
    return this.runWith({}, ...args);
  }

  runWith(env: Readonly<Record<string, string | undefined>>, ...args: string[]): Promise<CommandEnd> {
    return portcullis(args, {
      cwd: this.dir.path,
      env: { PORTCULLIS_CONFIG: 'portcullis.yaml', ...env },
      withinMs: 30_000,
    });
  }

  /** Runs a command with `--json` that has to succeed, and gives the objects that it printed. */
  async json(...args: string[]): Promise<Record<string, unknown>[]> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    if (code !== 0) throw new Error(`portcullis ${args.join(' ')} exited with ${code}: ${stderr}`);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** As {@link json}, for a command that prints one object. */
  async jsonOne(...args: string[]): Promise<Record<string, unknown>> {
    const [object, ...more] = await this.json(...args);
    if (object === undefined || more.length > 0)
      throw new Error(`portcullis ${args.join(' ')} printed ${more.length + 1} lines`);
    return object;
  }
}
