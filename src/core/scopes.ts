// Scope algebra (SPEC section 2): a granted `orders:*` covers `orders:read` and `orders:read:all`, not
// `orders`; a granted `*` covers all. Requirements are trees of all/any, compiled once.

/** What a route asks for, as written: a list means all of them. */
export type ScopeRequirement = readonly ScopeTerm[] | ScopeTerm;
export type ScopeTerm = string | { readonly all: readonly ScopeTerm[] } | { readonly any: readonly ScopeTerm[] };

/** A scope that can be asked for. */
export const SCOPE_PATTERN = /^[a-z0-9._-]+(?::[a-z0-9._-]+)*$/;
/** A scope that can be granted: also `*`, and `a:b:*`. */
export const GRANT_PATTERN = /^(?:\*|[a-z0-9._-]+(?::[a-z0-9._-]+)*(?::\*)?)$/;

/** What a key was granted, compiled for look-up. */
export class GrantedScopes {
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: ReadonlySet<string>;
  readonly #all: boolean;

  constructor(scopes: Iterable<string>) {
    const exact = new Set<string>();
    const prefixes = new Set<string>();
    for (const scope of scopes) {
      if (scope.endsWith(':*')) prefixes.add(scope.slice(0, -1));
      else exact.add(scope);
    }
    this.#all = exact.delete('*');
    this.#exact = exact;
    this.#prefixes = prefixes;
  }

  covers(scope: string): boolean {
    if (this.#all || this.#exact.has(scope)) return true;
    if (this.#prefixes.size === 0) return false;
    for (let end = scope.indexOf(':'); end !== -1; end = scope.indexOf(':', end + 1)) {
      if (this.#prefixes.has(scope.slice(0, end + 1))) return true;
    }
    return false;
  }
}

/** The scopes that `granted` lacks for `requirement`; empty if it is met. Of an unmet `any`, every alternative is listed. */
export function missingScopes(requirement: ScopeRequirement, granted: GrantedScopes): readonly string[] {
  const missing = isList(requirement) ? missingOfAll(requirement, granted) : missingOfTerm(requirement, granted);
  return missing.length > 1 ? [...new Set(missing)] : missing;
}

const NONE: readonly string[] = [];

function missingOfTerm(term: ScopeTerm, granted: GrantedScopes): readonly string[] {
  if (typeof term === 'string') return granted.covers(term) ? NONE : [term];
  if ('all' in term) return missingOfAll(term.all, granted);
  const lacks = term.any.map((alternative) => missingOfTerm(alternative, granted));
  return lacks.some((lack) => lack.length === 0) ? NONE : lacks.flat();
}

function missingOfAll(terms: readonly ScopeTerm[], granted: GrantedScopes): readonly string[] {
  let missing = NONE;
  for (const term of terms) {
    const lack = missingOfTerm(term, granted);
    if (lack.length > 0) missing = missing.length === 0 ? lack : [...missing, ...lack];
  }
  return missing;
}

function isList(requirement: ScopeRequirement): requirement is readonly ScopeTerm[] {
  return Array.isArray(requirement);
}
