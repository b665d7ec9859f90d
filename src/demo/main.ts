// `npm run demo`: the sample upstream, the gateway in front of it on a SQLite store, one minted key, and lines to
// paste. It needs nothing but what npm installed.
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type DemoGateway, mintKey, startGateway } from './gateway.ts';
import { tour } from './tour.ts';
import { type SampleUpstream, startUpstream } from './upstream.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PORTS = { proxy: 8080, ops: 9464, upstream: 3000 } as const;

process.exitCode = await main().catch((fault: Error) => {
  console.error(`The demo did not start: ${fault.message}`);
  return 1;
});

async function main(): Promise<number> {
  const asked = untilAsked();
  const ports = {
    proxy: await freeOr(PORTS.proxy),
    ops: await freeOr(PORTS.ops),
    upstream: await freeOr(PORTS.upstream),
  };
  // A demo whose ports are taken may run beside another one, whose store it must not share.
  const data = Object.values(ports).includes(0) ? `data/demo-${process.pid}` : 'data/demo';
  await rm(join(ROOT, data), { recursive: true, force: true });
  await mkdir(join(ROOT, data), { recursive: true });
  let upstream: SampleUpstream | undefined;
  let gateway: DemoGateway | undefined;
  try {
    upstream = await startUpstream(ports.upstream);
    const variables = {
      DEMO_PROXY: `127.0.0.1:${ports.proxy}`,
      DEMO_OPS: `127.0.0.1:${ports.ops}`,
      DEMO_UPSTREAM: upstream.origin,
      DEMO_DATA: data,
    };
    const logFile = `${data}/gateway.log`;
    gateway = await startGateway(variables, join(ROOT, logFile));
    const secret = await mintKey(variables);
    console.log(tour({ proxy: gateway.proxy, ops: gateway.ops, upstream: upstream.origin, secret, data, logFile }));
    const end = await Promise.race([asked, gateway.ended]);
    if (end !== 'asked') throw new Error(`the gateway ended with ${end}; its log is in ${logFile}`);
    console.log('\nending');
  } finally {
    await gateway?.stop();
    await upstream?.close();
  }
  await rm(join(ROOT, data), { recursive: true, force: true });
  return 0;
}

/** Resolves at the first signal to end. Later ones change nothing: npm sends a second one at Ctrl-C. */
function untilAsked(): Promise<'asked'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('asked'));
  });
}

/** The port, or 0 (any free one) where somebody listens at it. */
async function freeOr(port: number): Promise<number> {
  const probe = createServer();
  probe.listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
    return port;
  } catch {
    return 0;
  } finally {
    probe.close();
  }
}
