// Plain data -> configuration, or everything that is wrong with it at once. Where some fields are wrong, the
// rest is still held against each other, so that one run shows all there is to mend.
import type { DeclaredNames } from './check-references.ts';
import { shown } from './fields.ts';
import { explainIssue, findingsOf } from './issues.ts';
import { PathSet } from './path-set.ts';
import type { Finding, Path } from './problem.ts';
import { findContradictions } from './relations.ts';
import { type Config, configSchema } from './schema.ts';

export interface Validated {
  /** The configuration; with findings, what is left of it without the fields that are wrong, if that makes one. */
  readonly config: Config | undefined;
  readonly findings: readonly Finding[];
  /** Paths at which `config` may not be what was meant. */
  readonly doubtful: PathSet;
}

/** Data to validate. */
export interface RawConfig {
  readonly value: unknown;
  /** Paths whose value could not be read; nothing is said of them or of what depends on them. */
  readonly lost: readonly Path[];
  /** Paths, as JSON, of texts that a variable went into: they count as numbers or booleans where a field takes those. */
  readonly places: ReadonlySet<string>;
}

export function validate(raw: RawConfig): Validated {
  try {
    return validated(raw);
  } catch (fault) {
    // More issues than zod can hand from one call to another.
    if (!(fault instanceof RangeError)) throw fault;
    return { config: undefined, findings: [{ path: [], message: TOO_MUCH }], doubtful: new PathSet([[]]) };
  }
}

const TOO_MUCH = 'has more that is wrong than can be told; name the right file, or check it in parts';

function validated({ value: raw, lost, places }: RawConfig): Validated {
  if (!isMapping(raw))
    return {
      config: undefined,
      findings: lost.length > 0 ? [] : [{ path: [], message: notAMapping(raw) }],
      doubtful: new PathSet(),
    };
  let value: unknown = raw;
  let result = parse(value);
  if (!result.success && places.size > 0) {
    value = retyped(value, result.error.issues, places);
    result = parse(value);
  }
  const found = result.success ? [] : result.error.issues.flatMap((issue) => findingsOf(issue));
  const doubtful = new PathSet(lost);
  doubtful.addAll(found.map(({ path }) => path));
  // What is left without the wrong fields; leaving one out may leave another without what it needs.
  for (let round = 0; !result.success && round < MOST_ROUNDS; round++) {
    const paths = result.error.issues.flatMap((issue) => findingsOf(issue)).map(({ path }) => path);
    doubtful.addAll(paths);
    value = without(value, paths);
    result = parse(value);
  }
  const config = result.success ? result.data : undefined;
  const meant = found.flatMap((finding) => (finding.meant ? [finding.meant] : []));
  doubtful.addAll(meant);
  const unsayable = new PathSet([...lost, ...meant]);
  const related = config ? findContradictions(config, declaredNames(raw)) : [];
  const findings = [
    ...found.filter((finding) => !touches(finding, unsayable)),
    ...related.filter((finding) => !touches(finding, doubtful)),
  ];
  return { config, findings, doubtful };
}

/** Whether a finding was worked out from what stands at, above or below one of the paths. */
export function touches({ path, about = [path] }: Finding, paths: PathSet): boolean {
  return about.some((one) => paths.touches(one));
}

const MOST_ROUNDS = 16;

function parse(value: unknown) {
  return configSchema.safeParse(value, { error: explainIssue });
}

function notAMapping(raw: unknown): string {
  if (raw === null || raw === undefined) return 'is empty; begin with version: 1';
  return `takes a mapping of fields that begins with version: 1, not ${shown(raw)}`;
}

function declaredNames(raw: Readonly<Record<string, unknown>>): DeclaredNames {
  const names = (field: unknown): string[] => (isMapping(field) ? Object.keys(field) : []);
  return { upstreams: names(raw['upstreams']), roles: names(raw['roles']), plans: names(raw['plans']) };
}

/** A copy in which substituted texts at these issues are the numbers and booleans they spell. */
function retyped(value: unknown, issues: readonly { readonly path: PropertyKey[] }[], places: ReadonlySet<string>) {
  const wanted = new Set(issues.map(({ path }) => JSON.stringify(path)).filter((path) => places.has(path)));
  return rebuilt(value, [], (item, path) => {
    if (typeof item !== 'string' || !wanted.has(JSON.stringify(path))) return item;
    if (item === 'true' || item === 'false') return item === 'true';
    return /^-?\d{1,15}$/.test(item) ? Number(item) : item;
  });
}

/** A copy without what stands at these paths; where nothing stands there, without what it is missing in. */
function without(value: unknown, paths: readonly Path[]): unknown {
  const present = new Set<string>();
  rebuilt(value, [], (item, path) => {
    present.add(JSON.stringify(path));
    return item;
  });
  const doomed = new Set<string>();
  for (const path of paths) {
    let end = path.length;
    while (end > 0 && !present.has(JSON.stringify(path.slice(0, end)))) end--;
    doomed.add(JSON.stringify(path.slice(0, end)));
  }
  const left: unknown = rebuilt(value, [], (item, path) => (doomed.has(JSON.stringify(path)) ? DROPPED : item));
  // The version is the one field that has to be there.
  return { ...(isMapping(left) ? left : {}), version: 1 };
}

const DROPPED = Symbol('dropped');

function rebuilt(value: unknown, path: Path, change: (value: unknown, path: Path) => unknown): unknown {
  const changed = change(value, path);
  if (Array.isArray(changed))
    return changed.map((item, index) => rebuilt(item, [...path, index], change)).filter((item) => item !== DROPPED);
  if (!isMapping(changed)) return changed;
  const entries = Object.entries(changed)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => [name, rebuilt(field, [...path, name], change)] as const);
  return Object.fromEntries(entries.filter(([, field]) => field !== DROPPED));
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
