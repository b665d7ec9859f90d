// The gateway as a process of its own for hundreds of thousands of requests: what it logs is handed on line by line and
// not kept, and that it ended or wrote to standard error is noticed at once.
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { environment, MAIN, PEPPER, portcullis } from '../support/acceptance-cli.ts';
import { scrape, type Scrape } from '../support/acceptance-metrics.ts';
import { freePort } from '../support/acceptance-ports.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import type { LogLine, Settings } from '../support/gateway-process.ts';
import { own } from '../support/own-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

export interface FuzzedGateway {
  readonly port: number;
  /** Told of every line of the log; a line that is no JSON is in `troubles`. */
  onLine: (line: LogLine) => void;
  /** What must never be: an exit, anything on standard error, a line that is no JSON, a defect in the log. */
  readonly troubles: readonly string[];
  metrics(): Promise<Scrape>;
  close(): Promise<void>;
}

/** Starts one on a SQLite store of its own with these keys, and waits until it is ready. */
export async function startFuzzedGateway(settings: Settings, keys: readonly object[]): Promise<FuzzedGateway> {
  const directory = await makeTempDir();
  const [port, opsPort] = [await freePort(), await freePort()];
  const file = directory.file('fuzz.yaml');
  const listen = { proxy: `127.0.0.1:${port}`, ops: `127.0.0.1:${opsPort}` };
  const store = { url: `sqlite:${join(directory.path, 'fuzz.db')}` };
  const all = {
    version: 1,
    listen,
    store,
    ...settings,
    credentials: { pepper: `env:${PEPPER.name}`, query: 'api_key' },
  };
  await writeFile(file, stringify(all));
  await importKeys(file, directory.file('keys.jsonl'), keys);
  const child = own(
    spawn(process.execPath, [MAIN, 'serve', '-c', file], {
      cwd: directory.path,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  const troubles: string[] = [];
  let isEnding = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      if (!isEnding) troubles.push(`the process ended with ${code ?? signal}`);
      resolve();
    });
  });
  const gateway: FuzzedGateway = {
    port,
    onLine: () => {},
    troubles,
    metrics: () => scrape(opsPort),
    close: async () => {
      isEnding = true;
      child.kill('SIGKILL');
      await exited;
      await directory.remove();
    },
  };
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => troubles.push(`standard error: ${text.slice(0, 2000)}`));
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parsed(text);
    if (line === undefined) troubles.push(`a line of the log that is none: ${text.slice(0, 500)}`);
    else if (isComplaint(line)) troubles.push(`an error in the log: ${text.slice(0, 2000)}`);
    else gateway.onLine(line);
  });
  try {
    await eventually(() => ready(opsPort, troubles), { withinMs: 30_000, everyMs: 25 });
  } catch (fault) {
    await gateway.close();
    throw fault;
  }
  if (troubles.length > 0) {
    await gateway.close();
    throw new Error(`the gateway to be fuzzed did not start: ${troubles.join('; ')}`);
  }
  return gateway;
}

async function importKeys(config: string, file: string, keys: readonly object[]): Promise<void> {
  if (keys.length === 0) return;
  await writeFile(file, keys.map((key) => `${JSON.stringify(key)}\n`).join(''));
  const { code, stderr } = await portcullis(['keys', 'import', file, '-c', config], { withinMs: 60_000 });
  if (code !== 0) throw new Error(`the keys could not be imported: ${stderr}`);
}

async function ready(opsPort: number, troubles: readonly string[]): Promise<void> {
  if (troubles.length > 0) return;
  const response = await fetch(`http://127.0.0.1:${opsPort}/readyz`, { signal: AbortSignal.timeout(2000) });
  await inTime(response.arrayBuffer(), '/readyz');
  if (response.status !== 200) throw new Error(`/readyz answers ${response.status}`);
}

function parsed(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}

/** A defect, or something else that an operator is woken for; a request that an upstream failed is none. */
function isComplaint(line: LogLine): boolean {
  return line['level'] === 'error' && (line['msg'] !== 'request' || line['status'] === 500);
}
