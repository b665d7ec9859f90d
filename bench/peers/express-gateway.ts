// Express Gateway as it comes: its key-auth with scopes, two limits by consumer and one by path, its proxy. It is no
// dependency of the project; see the README on how to install it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ordersFile, type PeerOrders } from './orders.ts';

/** What of its services is used here. */
interface Services {
  readonly credential: {
    insertScopes(scopes: readonly string[]): Promise<unknown>;
    insertCredential(consumer: string, type: string, credential: object): Promise<unknown>;
  };
}

interface Users {
  insert(user: object): Promise<unknown>;
}

interface Started {
  load(folder: string): { run(): Promise<unknown> };
}

const file = ordersFile();
const { port, upstream, redisPort, keys, scope, limits, secret, tinyPath } = JSON.parse(
  readFileSync(file, 'utf8'),
) as PeerOrders;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const rateLimit = (max: number, windowMs: number, prefix: string) => ({
  max,
  windowMs,
  delayMs: 0,
  rateLimitBy: `${prefix}\${consumer.id}`,
});
const gateway = {
  http: { port, hostname: '127.0.0.1' },
  apiEndpoints: { api: { host: '*', paths: '/orders/*', scopes: [scope] } },
  serviceEndpoints: { up: { url: upstream } },
  policies: ['key-auth', 'rate-limit', 'request-transformer', 'proxy'],
  pipelines: {
    main: {
      apiEndpoints: ['api'],
      policies: [
        {
          'key-auth': [{ action: { apiKeyHeader: 'x-api-key', disableHeadersScheme: true, disableQueryParam: true } }],
        },
        {
          'rate-limit': [
            { action: rateLimit(limits.aMinute, MINUTE_MS, 'minute') },
            { action: rateLimit(limits.aDay, DAY_MS, 'day') },
            {
              condition: { name: 'pathExact', path: tinyPath },
              action: rateLimit(limits.tiny, MINUTE_MS, 'tiny'),
            },
          ],
        },
        { 'request-transformer': [{ action: { headers: { remove: ['x-api-key'] } } }] },
        { proxy: [{ action: { serviceEndpoint: 'up' } }] },
      ],
    },
  },
};
const system = {
  db: { redis: { host: '127.0.0.1', port: redisPort, namespace: 'EG' } },
  crypto: { cipherKey: 'bench', algorithm: 'aes256', saltRounds: 10 },
};

const installed = createRequire(join(import.meta.dirname, '../peers-installed/package.json'));
const folder = dirname(file);
// JSON is YAML too.
writeFileSync(join(folder, 'gateway.config.yml'), JSON.stringify(gateway));
writeFileSync(join(folder, 'system.config.yml'), JSON.stringify(system));
mkdirSync(join(folder, 'models'));
for (const model of ['users', 'applications', 'credentials']) {
  const path = installed.resolve(`express-gateway/lib/config/models/${model}.json`);
  writeFileSync(join(folder, 'models', `${model}.json`), readFileSync(path));
}
process.env['EG_CONFIG_DIR'] = folder;
process.env['EG_DISABLE_CONFIG_WATCH'] = 'true';
process.env['LOG_LEVEL'] = 'error';

const services = installed('express-gateway/lib/services') as Services;
const users = installed('express-gateway/lib/services/consumers/user.dao.js') as Users;
await services.credential.insertScopes([...new Set(keys.map((key) => key.scope))]);
for (const { owner, text, scope: granted } of keys) {
  const now = String(new Date());
  await users.insert({
    id: owner,
    username: owner,
    firstname: 'a',
    lastname: 'b',
    isActive: 'true',
    createdAt: now,
    updatedAt: now,
  });
  await services.credential.insertCredential(owner, 'key-auth', { keyId: text, keySecret: secret, scopes: [granted] });
}
const start = installed('express-gateway') as () => Started;
await start().load(folder).run();
process.once('SIGTERM', () => process.exit(0));
