// Configuration -> Policy: everything that can be worked out once is worked out here.
import type { Config, RouteConfig } from '../config/schema.ts';
import { compileNetworks } from '../core/networks.ts';
import type { Policy, Route } from '../core/policy.ts';
import { compileCallers, expiryOf } from './callers.ts';
import { byAddress, compileLimits, compilePlans } from './limits.ts';
import { compileRoutes } from './routes.ts';

/**
 * Compiles a validated configuration.
 * @param hash what `portcullis_config_info` calls it
 */
export function compilePolicy(config: Config, hash: string): Policy {
  const routeList = Object.entries(config.routes).map(([name, route]) => compileRoute(name, route));
  return {
    hash,
    trustedProxies: compileNetworks(config.trustedProxies, []),
    trustsProxies: config.trustedProxies.length > 0,
    credentials: {
      header: config.credentials.header.toLowerCase(),
      acceptsBearer: config.credentials.bearer,
      query: config.credentials.query,
      prefix: config.credentials.prefix,
    },
    guard: { failures: config.guard.failures, perMs: config.guard.per, blockMs: config.guard.block },
    routes: compileRoutes(routeList),
    routeList,
    identity: config.identityHeaders,
    callerOf: compileCallers(config, compilePlans(config)),
    expiryOf: (key) => expiryOf(key, config),
    declaredKeys: new Set(Object.keys(config.keys)),
  };
}

function compileRoute(name: string, route: RouteConfig): Route {
  const limits = compileLimits(`route/${name}`, route.limits);
  return {
    name,
    hosts: route.hosts.map((host) => host.toLowerCase()),
    path: route.path,
    methods: route.methods,
    passesPreflight: route.preflight,
    upstream: route.upstream ?? null,
    access: route.access,
    scopes: route.scopes ?? null,
    networks: compileNetworks(route.networks?.allow ?? [], route.networks?.deny ?? []),
    limits,
    countsAddress: limits.some(byAddress),
    cost: route.cost,
    maxBodyBytes: route.maxBody,
    isObserved: route.mode === 'observe',
    upgrades: route.upgrade,
  };
}
