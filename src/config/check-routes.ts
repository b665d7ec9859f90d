// Routes against each other and against themselves: two that match the same requests, and public ones that
// ask for what only a key can have.
import { parsePathPattern, pathShape } from '../core/path-pattern.ts';
import type { Finding } from './problem.ts';
import type { Config, RouteConfig } from './schema.ts';

export function checkRoutes(config: Config): Finding[] {
  return [...indistinctRoutes(config), ...Object.entries(config.routes).flatMap(checkPublicRoute)];
}

/**
 * Routes that some request fits equally well. Hosts are told apart by their text: an exact name goes before a
 * wildcard, a longer wildcard before a shorter one, and any of them before a route without hosts.
 */
function indistinctRoutes(config: Config): Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, [name: string, route: RouteConfig][]>();
  for (const [name, route] of Object.entries(config.routes)) {
    const pattern = parsePathPattern(route.path);
    if (!pattern.ok) continue;
    const shape = pathShape(pattern);
    const rivals = new Set<string>();
    for (const host of route.hosts.length === 0 ? [''] : new Set(route.hosts)) {
      const place = `${host} ${shape}`;
      const earlier = seen.get(place) ?? [];
      for (const [rivalName, rival] of earlier) {
        const methods = route.methods.filter((method) => rival.methods.includes(method));
        if (methods.length === 0 || rivals.has(rivalName)) continue;
        rivals.add(rivalName);
        findings.push({
          path: ['routes', name, 'path'],
          message:
            `cannot be told apart from route ${rivalName} (${rival.path}): both match ` +
            `${methods.join(', ')} ${host}${shape}; change the path, the hosts or the methods of one`,
          about: [
            ['routes', name],
            ['routes', rivalName],
          ],
        });
      }
      seen.set(place, [...earlier, [name, route]]);
    }
  }
  return findings;
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
