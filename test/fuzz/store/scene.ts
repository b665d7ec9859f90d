// Who may what before anybody tampered: keys in each state, and a configuration with routes for each kind of answer.
import { readConfig } from '../../../src/config/load.ts';
import { type KeyRecord, Pepper } from '../../../src/core/key-record.ts';
import type { Policy } from '../../../src/core/policy.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';

export const PEPPER = new Pepper(Buffer.from('a pepper that is only ever used by the fuzzer'));

/** Texts that are presented: those of the keys, and one that nobody has. */
export const SECRETS = ['alpha', 'beta', 'gamma', 'revoked', 'expired', 'retired', 'stranger'].map(
  (id) => `secret-text-of-${id}-0123456789`,
);
export const PATHS = ['/orders/7', '/admin/users', '/limited/x'];

const SINCE = 1_700_000_000_000;

export function sceneRecords(): KeyRecord[] {
  const record = (id: string, scopes: readonly string[], own: Partial<KeyRecord> = {}): KeyRecord =>
    PEPPER.seal({
      id,
      revision: 1,
      owner: `owner-of-${id}`,
      name: null,
      declared: false,
      roles: [],
      scopes,
      allow: [],
      deny: [],
      plan: 'small',
      expiresAt: null,
      status: 'active',
      meta: {},
      createdAt: SINCE,
      updatedAt: SINCE,
      secrets: [
        { digest: PEPPER.digest(`secret-text-of-${id}-0123456789`), hint: null, createdAt: SINCE, endsAt: null },
      ],
      ...own,
    });
  return [
    record('alpha', ['orders:read'], { roles: ['reader'] }),
    record('beta', ['other:read'], { deny: ['192.0.2.0/24'] }),
    record('gamma', ['orders:read', 'admin:write']),
    record('revoked', ['*'], { status: 'revoked' }),
    record('expired', ['*'], { expiresAt: SINCE }),
    record('retired', ['*'], {
      secrets: [
        { digest: PEPPER.digest('secret-text-of-retired-0123456789'), hint: null, createdAt: SINCE, endsAt: SINCE },
      ],
    }),
  ];
}

export async function scenePolicy(): Promise<Policy> {
  const upstream = 'app';
  const { config, hash } = await readConfig(
    {
      version: 1,
      upstreams: { app: { targets: ['http://127.0.0.1:1'] } },
      roles: { reader: ['limited:read'], root: ['*'] },
      plans: { small: { limits: { burst: { requests: 1_000_000, per: '1s' } }, concurrency: 1_000 } },
      routes: {
        orders: { path: '/orders/**', upstream, scopes: ['orders:read'] },
        admin: { path: '/admin/**', upstream, scopes: ['admin:write'] },
        limited: {
          path: '/limited/**',
          upstream,
          scopes: ['limited:read'],
          limits: { daily: { requests: 1_000_000, per: '1d', algorithm: 'fixed' } },
        },
      },
    },
    {},
  );
  return compilePolicy(config, hash);
}
