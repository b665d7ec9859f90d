// Peers written in Node, each a program of its own in peers/.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALLOWED, LIMITS, SCOPE, TINY_LIMIT } from '../keys.ts';
import type { PeerOrders } from '../peers/orders.ts';
import { freePort, listens, untilUp } from '../ports.ts';
import { missingProgram } from '../programs.ts';
import { startRedis } from '../redis.ts';
import type { RunningStack, Scene, Stack } from '../stack.ts';

export const usualComposition: Stack = {
  name: 'usual',
  title: 'express + http-proxy-middleware + rate-limiter-flexible + ioredis + prom-client',
  job: 'whole',
  missing: () => missingProgram('redis-server'),
  start: async (scene) => {
    const redis = await startRedis(scene.session);
    const peer = await startPeer(scene, 'usual-composition', redis.port);
    const stop = async () => {
      await peer.stop();
      await redis.stop();
    };
    return { ...peer, storePids: [redis.pid], stop };
  },
};

export const fastifyStack: Stack = {
  name: 'fastify',
  title: 'fastify + @fastify/http-proxy + @fastify/rate-limit',
  job: 'whole',
  missing: () => undefined,
  start: (scene) => startPeer(scene, 'fastify', 0),
};

async function startPeer({ session, keys, upstream }: Scene, name: string, redisPort: number): Promise<RunningStack> {
  const port = await freePort();
  const orders: PeerOrders = {
    port,
    upstream: `http://127.0.0.1:${upstream}`,
    redisPort,
    keys: keys.all,
    allow: ALLOWED,
    scope: SCOPE,
    limits: { ...LIMITS, tiny: TINY_LIMIT },
  };
  const file = join(session.newFolder(name), 'orders.json');
  writeFileSync(file, JSON.stringify(orders));
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = session.spawn(process.execPath, [join(import.meta.dirname, `../peers/${name}.ts`), file], { env });
  await untilUp(child, name, () => listens(port));
  return { port, pids: [child.pid!], storePids: [], stop: () => session.end(child) };
}
