// What client bytes are tried on: who the keys are, which routes there are, and who may do what. The judge reads this
// table, the gateway a configuration made of it.
import type { Settings } from '../../support/gateway-process.ts';

export interface SceneKey {
  readonly id: string;
  readonly owner: string;
  readonly secret: string;
  readonly scopes: readonly string[];
}

/** Their secrets are told apart from everything else, so that one seen in the wrong place is known. */
export const KEYS: readonly SceneKey[] = [
  { id: 'alpha', owner: 'acme', secret: 'canary-alpha-7Q2mXb91', scopes: ['orders:read'] },
  { id: 'beta', owner: 'bits', secret: 'canary-beta-5Zk0Wc37', scopes: ['other:read'] },
  { id: 'gamma', owner: 'gmbh', secret: 'canary-gamma-2Lp8Yd64', scopes: ['admin:write', 'orders:read'] },
];

export interface SceneRoute {
  readonly path: string;
  readonly methods: readonly string[];
  /** What it takes; null where it takes no key. */
  readonly scope: string | null;
  readonly isPublic?: true;
  readonly upgrade?: true;
  /** An OPTIONS that asks for leave passes without a key. */
  readonly preflight?: true;
}

export const ROUTES: Readonly<Record<string, SceneRoute>> = {
  orders: { path: '/orders/**', methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'], scope: 'orders:read' },
  admin: { path: '/admin/**', methods: ['GET', 'POST'], scope: 'admin:write' },
  docs: { path: '/public/**', methods: ['GET', 'HEAD', 'POST'], scope: null, isPublic: true },
  socket: { path: '/socket', methods: ['GET'], scope: 'orders:read', upgrade: true },
  cross: { path: '/cross/**', methods: ['GET', 'OPTIONS'], scope: 'orders:read', preflight: true },
};

export const IDENTITY = {
  owner: 'X-Consumer-Id',
  key: 'X-Credential-Identifier',
  roles: 'X-Consumer-Groups',
  scopes: 'X-Authenticated-Scope',
};

/** The most that a body may have on any route, bytes. */
export const MAX_BODY = 4096;

/** @param origin the upstream's */
export function sceneSettings(origin: string): Settings {
  const routes = Object.entries(ROUTES).map(([name, { path, methods, scope, isPublic, upgrade, preflight }]) => [
    name,
    {
      path,
      methods,
      upstream: 'app',
      maxBody: `${MAX_BODY}B`,
      ...(isPublic ? { access: 'public' } : {}),
      ...(scope === null ? {} : { scopes: [scope] }),
      ...(upgrade ? { upgrade: ['websocket'] } : {}),
      ...(preflight ? { preflight: true } : {}),
    },
  ]);
  return {
    upstreams: { app: { targets: [origin], connectTimeout: '2s', responseTimeout: '2s', idleTimeout: '2s' } },
    roles: { reader: ['profile:read'] },
    routes: Object.fromEntries(routes) as Settings,
    identityHeaders: IDENTITY,
  };
}

/** Lines for `keys import`. */
export function sceneKeys(): object[] {
  return KEYS.map(({ id, owner, secret, scopes }) => ({ id, owner, secret, scopes, roles: ['reader'] }));
}
