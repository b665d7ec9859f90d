// A directory with a configuration and a SQLite store, and commands run on it: most of them in the test's own
// process, which takes milliseconds, and some as a process, as at a terminal.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { parse, stringify } from 'yaml';
import { run } from '../../src/cli/program.ts';
import type { Host } from '../../src/cli/terminal.ts';
import { type CommandEnd, environment, PEPPER, portcullis } from './acceptance-cli.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

/** The configuration of a new scene. */
const SETTINGS = {
  version: 1,
  listen: { proxy: '127.0.0.1:0', ops: '127.0.0.1:0' },
  credentials: { pepper: `env:${PEPPER.name}` },
  upstreams: { orders: { targets: ['http://127.0.0.1:9'] } },
  roles: { reader: ['orders:read'], writer: ['orders:write'] },
  plans: { free: { limits: { burst: { requests: 10, per: '1s' } } } },
  routes: { orders: { path: '/orders/**', upstream: 'orders', scopes: ['orders:read'] } },
  keys: { 'billing-job': { owner: 'acme', roles: ['reader'], plan: 'free', expires: '2099-12-31' } },
};

export class CommandScene {
  readonly dir: TempDir;
  readonly configFile: string;
  /** The SQLite file. */
  readonly storeFile: string;

  private constructor(dir: TempDir) {
    this.dir = dir;
    this.configFile = dir.file('portcullis.yaml');
    this.storeFile = dir.file('store/keys.db');
  }

  static async open(): Promise<CommandScene> {
    const scene = new CommandScene(await makeTempDir());
    await writeFile(scene.configFile, stringify({ ...SETTINGS, store: { url: `sqlite:${scene.storeFile}` } }));
    return scene;
  }

  /** Writes a variant of the configuration, and gives its path. */
  async variant(name: string, differs: object): Promise<string> {
    const settings = parse(await readFile(this.configFile, 'utf8')) as object;
    await writeFile(this.dir.file(name), stringify({ ...settings, ...differs }));
    return this.dir.file(name);
  }

  /** Runs `portcullis ARGS` in this process; the configuration is found through the environment. */
  run(...args: string[]): Promise<CommandEnd> {
    return this.runWith({}, ...args);
  }

  /** As {@link run}, with something on standard input or in the environment. */
  async runWith(
    { stdin = '', env = {} }: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> },
    ...args: string[]
  ): Promise<CommandEnd> {
    const [out, err] = [new Kept(), new Kept()];
    const host = {
      // No signal comes.
      on: () => undefined,
      argv: ['node', 'portcullis', ...args],
      env: { ...environment(), PORTCULLIS_CONFIG: this.configFile, ...env },
      stdin: Readable.from([Buffer.from(stdin)]),
      stdout: out,
      stderr: err,
    };
    const code = await run(host as unknown as Host);
    return { code, stdout: out.text, stderr: err.text };
  }

  /** Runs `portcullis ARGS` as a process. */
  spawn(...args: string[]): Promise<CommandEnd> {
    return portcullis(args, {
      cwd: this.dir.path,
      // What was compiled once is not compiled again by the next command.
      env: { PORTCULLIS_CONFIG: this.configFile, NODE_COMPILE_CACHE: join(this.dir.path, 'compiled') },
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
    if (object === undefined || more.length > 0) {
      throw new Error(`portcullis ${args.join(' ')} printed ${more.length + 1} lines`);
    }
    return object;
  }
}

/** Keeps what is written to it. */
class Kept extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
