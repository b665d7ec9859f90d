// Paths and routes as Express's routers read them unless told otherwise: without regard to the case of letters, and a
// percent-encoded `@` is no `@`. What is decided has to be the same in either reading, or a client chooses the weaker one.
import { UserFault } from '../core/fault.ts';
import { parsePathPattern, pathShape } from '../core/path-pattern.ts';
import type { Route, RouteReading } from '../core/policy.ts';
import { compileRoutes } from './routes.ts';

/**
 * Compiles routes that the configuration's checks have found to be distinct.
 * @throws {UserFault} with the cure, if two are told apart by the case of letters alone (78)
 */
export function compileRouterReading(routes: readonly Route[]): RouteReading {
  const folded = routes.map((route) => ({ ...route, path: inOneCase(shapeOf(route)) }));
  requireDistinct(folded);
  return { routes: compileRoutes(folded), segmentsOf: ({ path, segments }) => segmentsOf(path, segments) };
}

/** What a literal may hold as it is (RFC 3986 section 3.3), percent-encoded: the routers compare before they decode. */
const ENCODED_LITERAL = /%(?=2[146-9A-C]|3[AD]|40)/g;

function segmentsOf(path: string, decoded: readonly string[]): readonly string[] {
  if (path.search(ENCODED_LITERAL) === -1) return decoded.map(inOneCase);
  const parts = path.split('/').slice(1, decoded.length + 1);
  return parts.map((part) => inOneCase(decodeURIComponent(part.replace(ENCODED_LITERAL, '%25'))));
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
