// Peers written in Node, each a program of its own in peers/.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALLOWED, LIMITS, SCOPE, TINY_LIMIT } from '../keys.ts';
import type { PeerOrders } from '../peers/orders.ts';
import { freePort, listens, untilUp } from '../ports.ts';
import { missingProgram } from '../programs.ts';
import { startRedis } from '../redis.ts';
import type { RunningStack, Scene, Stack } from '../stack.ts';

const SECRET = 'second-half';
const TINY_PATH = '/orders/tiny';
const INSTALLED = join(import.meta.dirname, '../peers-installed');

export const usualComposition: Stack = {
  name: 'usual',
  title: 'express + http-proxy-middleware + rate-limiter-flexible + ioredis + prom-client',
  job: 'whole',
  missing: () => missingProgram('redis-server'),
  start: (scene) => startOnRedis(scene, 'usual-composition'),
};

/** What http-proxy and http-proxy-middleware did by default until httpxy brought agents of its own. */
export const usualClosing: Stack = {
  ...usualComposition,
  name: 'usual-no-keepalive',
  title: 'the same, a connection to the upstream a request',
  start: (scene) => startOnRedis(scene, 'usual-composition', { keepsUpstream: false }),
};

export const fastifyStack: Stack = {
  name: 'fastify',
  title: 'fastify + @fastify/http-proxy + @fastify/rate-limit',
  job: 'whole',
  missing: () => undefined,
  start: (scene) => startPeer(scene, 'fastify'),
};

export const expressGateway: Stack = {
  name: 'express-gateway',
  title: 'Express Gateway',
  job: 'whole',
  hasNoNetworks: true,
  presented: (text) => `${text}:${SECRET}`,
  tinyPath: TINY_PATH,
  missing: () =>
    existsSync(join(INSTALLED, 'node_modules/express-gateway'))
      ? missingProgram('redis-server')
      : 'it is not installed; get it with: npm install --prefix bench/peers-installed express-gateway@1.16',
  start: (scene) => startOnRedis(scene, 'express-gateway'),
};

async function startOnRedis(scene: Scene, name: string, differs: Partial<PeerOrders> = {}): Promise<RunningStack> {
  const redis = await startRedis(scene.session);
  const peer = await startPeer(scene, name, { redisPort: redis.port, ...differs });
  const stop = async () => {
    await peer.stop();
    await redis.stop();
  };
  return { ...peer, storePids: [redis.pid], stop };
}

async function startPeer(
  { session, keys, upstream }: Scene,
  name: string,
  differs: Partial<PeerOrders> = {},
): Promise<RunningStack> {
  const port = await freePort();
  const orders: PeerOrders = {
    port,
    upstream: `http://127.0.0.1:${upstream}`,
    redisPort: 0,
    keys: keys.all,
    allow: ALLOWED,
    scope: SCOPE,
    limits: { ...LIMITS, tiny: TINY_LIMIT },
    keepsUpstream: true,
    secret: SECRET,
    tinyPath: TINY_PATH,
    ...differs,
  };
  const file = join(session.newFolder(name), 'orders.json');
  writeFileSync(file, JSON.stringify(orders));
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = session.spawn(process.execPath, [join(import.meta.dirname, `../peers/${name}.ts`), file], { env });
  await untilUp(child, name, () => listens(port));
  return { port, pids: [child.pid!], storePids: [], stop: () => session.end(child) };
}
