// The gateway that people put together from the libraries for it: express, http-proxy-middleware,
// rate-limiter-flexible and ioredis on Redis, ipaddr.js, prom-client.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import express, { type NextFunction, type Request, type Response } from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { Redis } from 'ioredis';
import ipaddr from 'ipaddr.js';
import { Counter, Histogram, register } from 'prom-client';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { ordersFile, type PeerOrders } from './orders.ts';

const orders = JSON.parse(readFileSync(ordersFile(), 'utf8')) as PeerOrders;
const { port, upstream, redisPort, keys, allow, scope, limits, keepsUpstream } = orders;
const DAY_S = 86_400;

interface Caller {
  readonly id: string;
  readonly owner: string;
  readonly scopes: string;
  readonly plan: string;
}

const redis = new Redis(redisPort, '127.0.0.1');
await Promise.all(
  keys.map(({ sha256, id, owner, scope: scopes, plan }) => redis.hset(`apikey:${sha256}`, { id, owner, scopes, plan })),
);

const requests = new Counter({ name: 'requests_total', help: 'Requests', labelNames: ['method', 'status'] });
const duration = new Histogram({ name: 'request_duration_seconds', help: 'Duration', labelNames: ['method'] });
const limiter = (keyPrefix: string, points: number, durationS: number) =>
  new RateLimiterRedis({ storeClient: redis, keyPrefix, points, duration: durationS });
const daily = limiter('day', limits.aDay, DAY_S);
const byPlan: Readonly<Record<string, RateLimiterRedis>> = {
  standard: limiter('minute', limits.aMinute, 60),
  tiny: limiter('tiny', limits.tiny, 60),
};

const app = express();
app.use(measure);
app.get('/metrics', async (_request, response) => {
  response.type(register.contentType).send(await register.metrics());
});
app.use(authenticate, authorize, limit);
app.use(
  createProxyMiddleware<Request, Response>({
    target: upstream,
    changeOrigin: true,
    ...(keepsUpstream ? {} : { agent: false }),
    on: {
      proxyReq: (asked, _request, response) => {
        const { id, owner, scopes } = callerOf(response);
        asked.removeHeader('x-api-key');
        asked.setHeader('X-Consumer-Id', owner);
        asked.setHeader('X-Credential-Identifier', id);
        asked.setHeader('X-Authenticated-Scope', scopes);
      },
    },
  }),
);
const server = app.listen(port, '127.0.0.1');
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
  redis.disconnect();
});

function measure(request: Request, response: Response, next: NextFunction): void {
  const end = duration.startTimer({ method: request.method });
  response.on('finish', () => {
    end();
    requests.inc({ method: request.method, status: response.statusCode });
  });
  next();
}

async function authenticate(request: Request, response: Response, next: NextFunction): Promise<void> {
  const text = request.get('x-api-key');
  const sha256 = text === undefined ? '' : createHash('sha256').update(text).digest('hex');
  const found = text === undefined ? {} : await redis.hgetall(`apikey:${sha256}`);
  if (!found['id']) {
    response.status(401).json({ error: 'invalid key' });
    return;
  }
  response.locals['caller'] = found;
  next();
}

function authorize(request: Request, response: Response, next: NextFunction): void {
  const address = ipaddr.process(request.ip ?? '');
  const isAllowed = allow.some((cidr) => {
    const [network, bits] = ipaddr.parseCIDR(cidr);
    return network.kind() === address.kind() && address.match(network, bits);
  });
  if (isAllowed && callerOf(response).scopes.split(' ').includes(scope)) next();
  else response.status(403).json({ error: 'forbidden' });
}

async function limit(_request: Request, response: Response, next: NextFunction): Promise<void> {
  const { id, plan } = callerOf(response);
  try {
    const minute = await byPlan[plan]!.consume(id);
    await daily.consume(id);
    response.set('X-RateLimit-Remaining', String(minute.remainingPoints));
    next();
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused;
    response.set('Retry-After', String(Math.ceil(refused.msBeforeNext / 1000)));
    response.status(429).json({ error: 'too many requests' });
  }
}

function callerOf(response: Response): Caller {
  return response.locals['caller'] as Caller;
}
