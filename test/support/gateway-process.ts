// The gateway as a process of its own: `serve` with a generated configuration, told apart from others only by its ports.
import { spawn } from 'node:child_process';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { environment, MAIN } from './acceptance-cli.ts';
import { scrape, type Scrape } from './acceptance-metrics.ts';
import { freePort } from './acceptance-ports.ts';
import { eventually, inTime, type WaitBounds } from './acceptance-wait.ts';
import { own } from './own-process.ts';

/** A configuration as a plain object; it is written as YAML. */
export type Settings = Readonly<Record<string, unknown>>;

/** One line of the gateway's standard output. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface GatewayEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface GatewayProcess {
  readonly pid: number;
  readonly proxyPort: number;
  readonly opsPort: number;
  readonly configFile: string;
  /** The JSON lines of standard output so far. */
  readonly log: readonly LogLine[];
  /** Lines of standard output that are no JSON object. */
  readonly stray: readonly string[];
  /** All output so far, both streams. */
  output(): string;
  readonly exited: Promise<GatewayEnd>;
  signal(name: NodeJS.Signals): void;
  metrics(): Promise<Scrape>;
  /** Waits for a log line. @throws Error with the last lines where none comes in time */
  logLine(wanted: (line: LogLine) => boolean, bounds?: WaitBounds): Promise<LogLine>;
  /** Replaces the configuration file, its listeners staying the same. */
  reconfigure(settings: Settings): Promise<void>;
  /** Ends the process by SIGTERM, where it still runs. */
  stop(): Promise<GatewayEnd>;
}

export interface GatewayOptions {
  /** Where the configuration file goes; also the working directory. */
  readonly directory: string;
  /** The file's name without `.yaml` (default `portcullis`). */
  readonly name?: string;
  /** A configuration file that is there already, with its listeners. */
  readonly existing?: { readonly file: string; readonly proxyPort: number; readonly opsPort: number };
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A descriptor that standard output goes to instead of `log`. */
  readonly stdout?: number;
  /** Descriptors that it may have open from its start on. */
  readonly descriptors?: number;
}

/** Starts a gateway and waits until `/readyz` is 200. @throws Error with its output where it ends before that */
export async function startGateway(settings: Settings, options: GatewayOptions): Promise<GatewayProcess> {
  const proxyPort = options.existing?.proxyPort ?? (await freePort());
  const opsPort = options.existing?.opsPort ?? (await freePort());
  const listen = { proxy: `127.0.0.1:${proxyPort}`, ops: `127.0.0.1:${opsPort}` };
  const configFile = options.existing?.file ?? join(options.directory, `${options.name ?? 'portcullis'}.yaml`);
  const reconfigure = async (next: Settings): Promise<void> => {
    await writeFile(`${configFile}.new`, stringify({ version: 1, listen, ...next }));
    await rename(`${configFile}.new`, configFile);
  };
  if (!options.existing) await reconfigure(settings);
  const gateway = spawnGateway(configFile, proxyPort, opsPort, options, reconfigure);
  try {
    await ready(gateway);
  } catch (error) {
    gateway.signal('SIGKILL');
    throw new Error(`the gateway did not get ready: ${(error as Error).message}\n${gateway.output()}`, {
      cause: error,
    });
  }
  return gateway;
}

function spawnGateway(
  configFile: string,
  proxyPort: number,
  opsPort: number,
  options: GatewayOptions,
  reconfigure: GatewayProcess['reconfigure'],
): GatewayProcess {
  const limit = options.descriptors === undefined ? [] : ['prlimit', `--nofile=${options.descriptors}`];
  const [program, ...words] = [...limit, process.execPath, MAIN, 'serve', '-c', configFile];
  const child = own(
    spawn(program, words, {
      cwd: options.directory,
      env: environment(options.env),
      stdio: ['ignore', options.stdout ?? 'pipe', 'pipe'],
    }),
  );
  const log: LogLine[] = [];
  const stray: string[] = [];
  let output = '';
  let unfinished = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const lines = (unfinished + text).split('\n');
    unfinished = lines.pop() ?? '';
    for (const line of lines) readLine(line, log, stray);
  });
  const exited = new Promise<GatewayEnd>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const signal = (name: NodeJS.Signals): void => {
    if (child.exitCode === null && child.signalCode === null) child.kill(name);
  };
  return {
    pid: child.pid as number,
    proxyPort,
    opsPort,
    configFile,
    log,
    stray,
    output: () => output,
    exited,
    signal,
    metrics: () => scrape(opsPort),
    logLine: (wanted, bounds) => eventually(() => firstLine(log, wanted), bounds),
    reconfigure,
    stop: async () => {
      signal('SIGTERM');
      try {
        return await inTime(exited, 'the exit of the gateway after SIGTERM', 10_000);
      } finally {
        signal('SIGKILL');
      }
    },
  };
}

function readLine(line: string, log: LogLine[], stray: string[]): void {
  try {
    log.push(JSON.parse(line) as LogLine);
  } catch {
    stray.push(line);
  }
}

function firstLine(log: readonly LogLine[], wanted: (line: LogLine) => boolean): LogLine {
  const line = log.find(wanted);
  if (line) return line;
  throw new Error(
    `no such log line; the last ones: ${log
      .slice(-4)
      .map((each) => JSON.stringify(each))
      .join('\n')}`,
  );
}

async function ready(gateway: GatewayProcess): Promise<void> {
  let ended: GatewayEnd | undefined;
  void gateway.exited.then((end) => (ended = end));
  const look = async (): Promise<void> => {
    if (ended) return;
    const response = await fetch(`http://127.0.0.1:${gateway.opsPort}/readyz`, { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`/readyz answers ${response.status}`);
  };
  await eventually(look, { withinMs: 45_000, everyMs: 50 });
  if (ended) throw new Error(`it exited with ${ended.code ?? ended.signal}`);
}
