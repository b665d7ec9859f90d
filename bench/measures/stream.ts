// 1 GiB through nginx and through Portcullis, down and up: the rate, what it costs, and what is held of it.
import { truncateSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { keySet } from '../keys.ts';
import { startNginx, upstreamBlock } from '../nginx.ts';
import { freePort, listens, untilUp } from '../ports.ts';
import { cpuSeconds, peakResidentBytes, residentBytes, resetPeak } from '../processes.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import type { RunningStack, Scene, Stack } from '../stack.ts';
import { portcullisStacks } from '../stacks/portcullis.ts';
import { spreadOf } from '../statistics.ts';
import { download, type Transfer, upload } from '../transfer.ts';
import { fit } from './fit.ts';

const BYTES = 1024 ** 3;
const PATH = '/orders/blob';
const MIB = 1024 ** 2;

const nginxStreaming: Stack = {
  name: 'nginx',
  title: 'nginx, plain proxy',
  job: 'plain',
  missing: () => undefined,
  start: async ({ session, upstream }) => {
    const nginx = await startNginx(session, 'streaming', {
      http: upstreamBlock(upstream),
      server: `client_max_body_size 0; location / {
        proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_max_temp_file_size 0; proxy_request_buffering off;
        proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 256k; }`,
    });
    return { port: nginx.port, pids: [nginx.pid], storePids: [], stop: nginx.stop };
  },
};

type Way = 'down' | 'up';

interface Streamed {
  readonly mbPerS: number;
  readonly cpuS: number;
  readonly peakMib: number;
}

export interface StreamRow extends Streamed {
  readonly name: string;
  readonly way: Way;
  /** Rate to nginx's in the same round. */
  readonly ratio: number;
}

export async function stream(bench: Bench): Promise<void> {
  const { session, options, say } = bench;
  const machine = machineLine();
  const portcullis = (['strict', 'node'] as const).map((http) => portcullisStacks(session, http)[0]!);
  const stacks = await fit(bench, [nginxStreaming, ...portcullis]);
  const upstreams = { down: await startFile(bench), up: await startSink(bench) };
  const streamed = new Map<string, Streamed[]>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const stack of stacks) {
      for (const way of ['down', 'up'] as const) {
        say(`round ${round} of ${options.rounds}: ${stack.title}, ${way}`);
        const kept = streamed.get(`${stack.name} ${way}`) ?? [];
        kept.push(await once(stack, { session, keys: keySet(1), upstream: upstreams[way] }, way));
        streamed.set(`${stack.name} ${way}`, kept);
      }
    }
  }
  const rows = (['down', 'up'] as const).flatMap((way) =>
    stacks.map(({ name, title }): StreamRow & { title: string } => {
      const own = streamed.get(`${name} ${way}`)!;
      const nginx = streamed.get(`${nginxStreaming.name} ${way}`);
      const ratios = own.map(({ mbPerS }, round) => mbPerS / (nginx?.[round]?.mbPerS ?? Number.NaN));
      const median = (figure: keyof Streamed) => spreadOf(own.map((each) => each[figure])).median;
      return {
        name,
        title,
        way,
        mbPerS: median('mbPerS'),
        ratio: spreadOf(ratios).median,
        cpuS: median('cpuS'),
        peakMib: median('peakMib'),
      };
    }),
  );
  console.log(`${machine}\n1 GiB over one connection, ${options.rounds} rounds, medians\n`);
  printTable(
    ['', 'MB/s', '× nginx', 'CPU s a GiB', 'peak above idle, MiB'],
    rows.map((row) => [
      `${row.title}, ${row.way}`,
      row.mbPerS.toFixed(0),
      row.ratio.toFixed(2),
      row.cpuS.toFixed(2),
      row.peakMib.toFixed(1),
    ]),
  );
  keepResults('stream', options, machine, { rows });
}

async function once(stack: Stack, scene: Scene, way: Way): Promise<Streamed> {
  const running = await stack.start(scene);
  try {
    return await measured(running, { path: PATH, key: scene.keys.working[0]!.text, bytes: BYTES }, way);
  } finally {
    await running.stop();
  }
}

async function measured({ port, pids }: RunningStack, what: Omit<Transfer, 'port'>, way: Way): Promise<Streamed> {
  const idle = residentBytes(pids);
  resetPeak(pids);
  const spent = cpuSeconds(pids);
  const seconds = await (way === 'down' ? download : upload)({ port, ...what });
  return {
    mbPerS: what.bytes / 1e6 / seconds,
    cpuS: cpuSeconds(pids) - spent,
    peakMib: (peakResidentBytes(pids) - idle) / MIB,
  };
}

/** nginx with a file that takes no room on the disk. */
async function startFile({ session }: Bench): Promise<number> {
  const root = session.newFolder('root');
  mkdirSync(join(root, 'orders'));
  const file = join(root, PATH);
  writeFileSync(file, '');
  truncateSync(file, BYTES);
  const nginx = await startNginx(session, 'file', { server: `root ${root}; sendfile on;` });
  return nginx.port;
}

async function startSink({ session }: Bench): Promise<number> {
  const port = await freePort();
  const child = session.spawn(process.execPath, [join(import.meta.dirname, '../peers/sink.ts'), String(port)]);
  await untilUp(child, 'the sink', () => listens(port));
  return port;
}
