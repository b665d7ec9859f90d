// The configuration that is measured: scopes, addresses on key and route, two limits, identity headers (these by default).
import type { ConfigInput } from '../src/config/schema.ts';
import type { GatewayOptions } from './gateway.ts';
import { ALLOWED, LIMITS, SCOPE, TINY_LIMIT } from './keys.ts';

/** What the configuration's secret references lead to; and what the image and the systemd unit set. */
export const GATEWAY_ENV = {
  ...process.env,
  BENCH_PEPPER: 'the pepper of the benchmark, which keeps nothing secret',
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};

interface Places {
  readonly port: number;
  readonly opsPort: number;
  readonly upstream: number;
  readonly redis: string;
}

/** @param places ports on 127.0.0.1, and the URL of the Redis */
export function gatewayConfig({ port, opsPort, upstream, redis }: Places, options: GatewayOptions): ConfigInput {
  const config: ConfigInput = {
    version: 1,
    listen: { proxy: `127.0.0.1:${port}`, ops: `127.0.0.1:${opsPort}`, http: options.http ?? 'node' },
    store: { url: redis },
    credentials: { pepper: 'env:BENCH_PEPPER' },
    upstreams: { up: { targets: [`http://127.0.0.1:${upstream}`] } },
    plans: {
      standard: {
        limits: {
          minute: { requests: LIMITS.aMinute, per: '1m' },
          day: { requests: LIMITS.aDay, per: '1d', algorithm: 'fixed' },
        },
      },
      tiny: { limits: { minute: { requests: TINY_LIMIT, per: '1m' } } },
    },
    routes: { orders: { path: '/orders/**', upstream: 'up', scopes: [SCOPE], networks: { allow: [...ALLOWED] } } },
    log: { requests: options.requests ?? 'denied' },
    ...(options.workers !== undefined && { workers: options.workers }),
  };
  return options.change?.(config) ?? config;
}
