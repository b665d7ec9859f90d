// The route table as Express's routers read paths unless told otherwise: without regard to the case of letters. What is
// decided there has to be the same in either reading, or a client chooses the weaker one by a capital letter.
import { UserFault } from '../core/fault.ts';
import { parsePathPattern, pathShape } from '../core/path-pattern.ts';
import type { Route, RouteTable } from '../core/policy.ts';
import { compileRoutes } from './routes.ts';

/**
 * Compiles routes that the configuration's checks have found to be distinct.
 * @throws {UserFault} with the cure, if two are told apart by the case of letters alone (78)
 */
export function compileAnyCaseRoutes(routes: readonly Route[]): RouteTable {
  const folded = routes.map((route) => ({ ...route, path: inOneCase(shapeOf(route)) }));
  requireDistinct(folded);
  const table = compileRoutes(folded);
  return {
    match: (host, segments, method, preflightMethod) =>
      table.match(host, segments.map(inOneCase), method, preflightMethod),
  };
}

function shapeOf({ path }: Route): string {
  const pattern = parsePathPattern(path);
  if (!pattern.ok) throw new RangeError(`${path}: ${pattern.problem}`);
  return pathShape(pattern);
}

/** Letters beyond ASCII are percent-encoded in what the routers compare, and differ there in whatever case. */
function inOneCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function requireDistinct(routes: readonly Route[]): void {
  const taken = new Map<string, string>();
  for (const { name, path, hosts, methods } of routes)
    for (const host of hosts.length === 0 ? [''] : hosts)
      for (const method of methods) {
        const match = `${method} ${host}${path}`;
        const rival = taken.get(match);
        if (rival !== undefined)
          throw new UserFault(
            `The routes ${rival} and ${name} differ in the case of letters alone, which Express does not regard; change the path, the hosts or the methods of one.`,
            78,
          );
        taken.set(match, name);
      }
}
