// Names that have to be declared: a route's upstream, a key's roles and plan.
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';
import { alternatives } from './suggest.ts';

/** The names under `upstreams`, `roles` and `plans`. */
export interface DeclaredNames {
  readonly upstreams: readonly string[];
  readonly roles: readonly string[];
  readonly plans: readonly string[];
}

export function checkReferences(config: Config, names: DeclaredNames): Finding[] {
  const findings: Finding[] = [];
  const declared = { upstreams: new Set(names.upstreams), roles: new Set(names.roles), plans: new Set(names.plans) };
  const refer = (kind: keyof DeclaredNames, name: string, path: Path): void => {
    if (declared[kind].has(name)) return;
    const message = undeclared(kind, name, names[kind], findings.length < MOST_MEANT);
    findings.push({ path, message });
  };
  for (const [routeName, route] of Object.entries(config.routes)) {
    const path = ['routes', routeName, 'upstream'];
    if (route.upstream !== undefined) refer('upstreams', route.upstream, path);
    else if (names.upstreams.length > 0)
      findings.push({
        path,
        message: `is missing${alternatives('', names.upstreams, 'it takes one of the upstreams')}`,
      });
  }
  for (const [id, key] of Object.entries(config.keys)) {
    for (const [index, role] of key.roles.entries()) refer('roles', role, ['keys', id, 'roles', index]);
    if (key.plan !== undefined) refer('plans', key.plan, ['keys', id, 'plan']);
  }
  return findings;
}

const KINDS = { upstreams: 'upstream', roles: 'role', plans: 'plan' } as const;

/** Names for which it is said what was probably meant: to find that takes a look at all that are declared. */
const MOST_MEANT = 100;

function undeclared(
  kind: keyof DeclaredNames,
  name: string,
  declared: readonly string[],
  saysWhatWasMeant: boolean,
): string {
  const unknown = `${name} is no ${KINDS[kind]}`;
  if (declared.length === 0) return `${unknown}, and none is declared; declare it under ${kind}`;
  return `${unknown}${alternatives(saysWhatWasMeant ? name : '', declared, `declared under ${kind}`)}`;
}
