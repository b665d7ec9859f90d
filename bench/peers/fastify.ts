// The same job with fastify and its plugins: keys in memory by their SHA-256, addresses in a BlockList, one limit by
// @fastify/rate-limit for all routes and a second beside it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BlockList, isIPv6 } from 'node:net';
import proxy from '@fastify/http-proxy';
import rateLimit from '@fastify/rate-limit';
import { fastify, type FastifyRequest } from 'fastify';
import type { BenchKey } from '../keys.ts';
import { ordersFile, type PeerOrders } from './orders.ts';

const orders = JSON.parse(readFileSync(ordersFile(), 'utf8')) as PeerOrders;
const { port, upstream, allow, scope, limits } = orders;
const keys = new Map(orders.keys.map((key) => [key.sha256, key]));
const callers = new WeakMap<FastifyRequest, BenchKey>();
const callerOf = (request: FastifyRequest): BenchKey => callers.get(request)!;

const allowed = new BlockList();
for (const cidr of allow) {
  const [network = '', bits] = cidr.split('/');
  allowed.addSubnet(network, Number(bits), isIPv6(network) ? 'ipv6' : 'ipv4');
}

const app = fastify();
app.addHook('onRequest', async (request, reply) => {
  const text = request.headers['x-api-key'];
  const key = typeof text === 'string' ? keys.get(createHash('sha256').update(text).digest('hex')) : undefined;
  if (!key) return await reply.code(401).send({ error: 'invalid key' });
  const isAllowed = allowed.check(request.ip, isIPv6(request.ip) ? 'ipv6' : 'ipv4');
  if (!isAllowed || key.scope !== scope) return await reply.code(403).send({ error: 'forbidden' });
  callers.set(request, key);
});
await app.register(rateLimit, {
  max: (request) => (callerOf(request).plan === 'tiny' ? limits.tiny : limits.aMinute),
  timeWindow: '1 minute',
  keyGenerator: (request) => callerOf(request).id,
});
const daily = app.createRateLimit({
  max: limits.aDay,
  timeWindow: '1 day',
  keyGenerator: (request) => callerOf(request).id,
});
app.addHook('preHandler', async (request, reply) => {
  const taken = await daily(request);
  if (!taken.isAllowed && taken.isExceeded) return await reply.code(429).send({ error: 'too many requests' });
});
await app.register(proxy, {
  upstream,
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => {
      const { id, owner, scope: scopes } = callerOf(request as FastifyRequest);
      const { 'x-api-key': _key, ...others } = headers;
      return { ...others, 'x-consumer-id': owner, 'x-credential-identifier': id, 'x-authenticated-scope': scopes };
    },
  },
});
await app.listen({ port, host: '127.0.0.1' });
process.once('SIGTERM', () => process.exit(0));
