// The compiled route table: one tree of path segments for each host pattern. The host decides first, then
// the path, segment by segment, literal before one before many; the method decides last and never makes a
// less specific route answer, so that a route's scopes cannot be slipped past by another method.
import { METHODS } from '../config/schema.ts';
import { parsePathPattern } from '../core/path-pattern.ts';
import type { Route, RouteMatch, RouteTable } from '../core/policy.ts';

/** Compiles routes that the configuration's checks have found to be distinct. */
export function compileRoutes(routes: readonly Route[]): RouteTable {
  const exactHosts = new Map<string, Tree>();
  const wildcardHosts = new Map<string, Tree>();
  const anyHost = new Tree();
  for (const route of routes) {
    if (route.hosts.length === 0) anyHost.add(route);
    for (const host of route.hosts) {
      const [trees, name] = host.startsWith('*.') ? [wildcardHosts, host.slice(1)] : [exactHosts, host];
      const tree = trees.get(name) ?? new Tree();
      trees.set(name, tree);
      tree.add(route);
    }
  }
  const suffixes = [...wildcardHosts].sort(([a], [b]) => b.length - a.length);

  function leafFor(host: string, segments: readonly string[]): Leaf | undefined {
    const leaf = exactHosts.get(host)?.find(segments);
    if (leaf) return leaf;
    for (const [suffix, tree] of suffixes) {
      if (host.length > suffix.length && host.endsWith(suffix)) {
        const found = tree.find(segments);
        if (found) return found;
      }
    }
    return anyHost.find(segments);
  }

  return {
    match: (host, segments, method, preflightMethod) => leafFor(host, segments)?.match(method, preflightMethod) ?? NONE,
  };
}

const NONE: RouteMatch = { kind: 'none' };

/** The routes of one path pattern, told apart by method. */
class Leaf {
  readonly #byMethod = new Map<string, RouteMatch & { kind: 'route' }>();
  readonly #preflights = new Map<string, RouteMatch & { kind: 'preflight' }>();
  #allow: RouteMatch & { kind: 'method' } = { kind: 'method', allow: [] };

  add(route: Route): void {
    for (const method of route.methods) {
      this.#byMethod.set(method, { kind: 'route', route });
      if (route.passesPreflight) this.#preflights.set(method, { kind: 'preflight', route });
    }
    this.#allow = { kind: 'method', allow: METHODS.filter((method) => this.#byMethod.has(method)) };
  }

  match(method: string, preflightMethod: string | undefined): RouteMatch {
    const preflight = preflightMethod === undefined ? undefined : this.#preflights.get(preflightMethod);
    return preflight ?? this.#byMethod.get(method) ?? this.#allow;
  }
}

class Node {
  readonly literals = new Map<string, Node>();
  one: Node | undefined;
  /** Pattern that ends here. */
  exact: Leaf | undefined;
  /** Pattern that ends here with `**`. */
  open: Leaf | undefined;
}

class Tree {
  readonly #root = new Node();

  add(route: Route): void {
    const pattern = parsePathPattern(route.path);
    if (!pattern.ok) throw new RangeError(`${route.path}: ${pattern.problem}`);
    let node = this.#root;
    for (const segment of pattern.segments) {
      if (segment.kind === 'one') {
        node = node.one ??= new Node();
      } else {
        const next = node.literals.get(segment.text) ?? new Node();
        node.literals.set(segment.text, next);
        node = next;
      }
    }
    const leaf = pattern.isOpen ? (node.open ??= new Leaf()) : (node.exact ??= new Leaf());
    leaf.add(route);
  }

  find(segments: readonly string[]): Leaf | undefined {
    return findFrom(this.#root, segments, 0);
  }
}

// Every node of the tree is visited at most once: its depth says which segment it stands for.
function findFrom(node: Node, segments: readonly string[], at: number): Leaf | undefined {
  if (at === segments.length) return node.exact ?? node.open;
  const literal = node.literals.get(segments[at]!);
  return (
    (literal && findFrom(literal, segments, at + 1)) ?? (node.one && findFrom(node.one, segments, at + 1)) ?? node.open
  );
}
