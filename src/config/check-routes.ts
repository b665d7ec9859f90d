// Routes against each other and against themselves: two that match the same requests, and public ones that
// ask for what only a key can have.
import { parsePathPattern, pathShape } from '../core/path-pattern.ts';
import type { Finding } from './problem.ts';
import type { Config, RouteConfig } from './schema.ts';

export function checkRoutes(config: Config): Finding[] {
  return [...indistinctRoutes(config), ...Object.entries(config.routes).flatMap(checkPublicRoute)];
}

/**
 * Routes that some request fits as well as an earlier one. Hosts are told apart by their text: an exact name goes
 * before a wildcard, a longer wildcard before a shorter one, and any of them before a route without hosts.
 */
function indistinctRoutes(config: Config): Finding[] {
  const findings: Finding[] = [];
  const taken = new Map<string, { readonly name: string; readonly route: RouteConfig }>();
  for (const [name, route] of Object.entries(config.routes)) {
    const matches = matchesOf(route);
    const match = matches.find((one) => taken.has(one));
    const rival = match === undefined ? undefined : taken.get(match);
    if (rival)
      findings.push({
        path: ['routes', name, 'path'],
        message:
          `cannot be told apart from route ${rival.name} (${rival.route.path}): both match ${match}; ` +
          'change the path, the hosts or the methods of one',
        about: [
          ['routes', name],
          ['routes', rival.name],
        ],
      });
    else for (const one of matches) taken.set(one, { name, route });
  }
  return findings;
}

/** What a route matches, as text: one for each method and host. */
function matchesOf(route: RouteConfig): string[] {
  const pattern = parsePathPattern(route.path);
  if (!pattern.ok) return [];
  const shape = pathShape(pattern);
  const hosts = route.hosts.length === 0 ? [''] : route.hosts;
  return hosts.flatMap((host) => route.methods.map((method) => `${method} ${host}${shape}`));
}

function checkPublicRoute([name, route]: [string, RouteConfig]): Finding[] {
  if (route.access !== 'public') return [];
  const path = ['routes', name];
  const findings: Finding[] = [];
  if (route.scopes !== undefined)
    findings.push({
      path: [...path, 'scopes'],
      atName: true,
      message: 'needs a key, and the route is public; leave scopes out, or set access: key',
    });
  for (const [limitName, { by }] of Object.entries(route.limits ?? {})) {
    if (by !== 'key' && by !== 'owner') continue;
    findings.push({
      path: [...path, 'limits', limitName, 'by'],
      message: `is ${by}, and the route is public, so nobody is known there; set by: address or by: route`,
    });
  }
  return findings;
}
