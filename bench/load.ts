// Loads one address with wrk from a process of its own, and reads what the loaded processes spent meanwhile.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Clock ticks a second of /proc/PID/stat: the same on every Linux that Node runs on. */
const TICKS = 100;

export interface Load {
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time (user and system) of the loaded processes a request, microseconds. */
  readonly cpuUsPerRequest: number;
  /** Answers that were not 2xx or 3xx, and socket errors. */
  readonly errors: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly headers: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  /** Processes whose CPU time is counted. */
  readonly pids: readonly number[];
}

export async function load({ url, headers, connections, seconds, pids }: LoadOptions): Promise<Load> {
  const before = cpuSeconds(pids);
  const words = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...headers.flatMap((field) => ['-H', field]),
    url,
  ];
  const { stdout } = await run('wrk', words);
  const spent = cpuSeconds(pids) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const errors = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? '0';
  const socketErrors = [...(/Socket errors: (.*)/.exec(stdout)?.[1] ?? '').matchAll(/\d+/g)].map(Number);
  return {
    requestsPerS: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Ms: milliseconds(/50%\s+(\S+)/.exec(stdout)?.[1]),
    p99Ms: milliseconds(/99%\s+(\S+)/.exec(stdout)?.[1]),
    cpuUsPerRequest: (spent * 1e6) / requests,
    errors: Number(errors) + socketErrors.reduce((sum, count) => sum + count, 0),
  };
}

function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    // The command's name may hold spaces; the fields that count stand behind its closing parenthesis.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, count) => sum + count, 0) / TICKS;
}

function milliseconds(text = ''): number {
  const [, value = '', unit = ''] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? [];
  return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN);
}
