// The gateway as a user runs it: the command `portcullis` in a process of its own, its log in a file.
import { execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const MAIN = join(import.meta.dirname, '..', 'main.ts');
const CONFIG = join(ROOT, 'config', 'demo.yaml');

/** The `DEMO_` variables of config/demo.yaml. */
export type DemoVariables = Readonly<Record<'DEMO_PROXY' | 'DEMO_OPS' | 'DEMO_UPSTREAM' | 'DEMO_DATA', string>>;

export interface DemoGateway {
  /** Where it listens, host:port. */
  readonly proxy: string;
  readonly ops: string;
  /** Resolves to the exit code when the process has ended, whatever ended it. */
  readonly ended: Promise<number>;
  stop(): Promise<number>;
}

/**
 * Starts `portcullis serve` and waits until it listens.
 * @throws Error with what it printed where it ends before that
 */
export async function startGateway(variables: DemoVariables, logFile: string): Promise<DemoGateway> {
  const child = spawn(process.execPath, [MAIN, 'serve', '-c', CONFIG], {
    cwd: ROOT,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const log = createWriteStream(logFile);
  child.stdout.pipe(log);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const listening = new Promise<{ proxy: string; ops: string }>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      const { msg, proxy, ops } = JSON.parse(line) as { msg: string; proxy: string; ops: string };
      if (msg === 'listening') resolve({ proxy, ops });
    });
  });
  const first = await Promise.race([listening, ended]);
  if (typeof first === 'number') throw new Error(printed.trim() || `the gateway ended with ${first}`);
  const stop = (): Promise<number> => {
    child.kill('SIGTERM');
    return ended;
  };
  return { ...first, ended, stop };
}

/** Mints the key that config/demo.yaml declares; returns its secret. */
export async function mintKey(variables: DemoVariables): Promise<string> {
  const words = [MAIN, 'keys', 'create', 'demo', '--json', '-c', CONFIG];
  const { stdout } = await promisify(execFile)(process.execPath, words, {
    cwd: ROOT,
    env: { ...process.env, ...variables },
  });
  return (JSON.parse(stdout) as { secret: string }).secret;
}
