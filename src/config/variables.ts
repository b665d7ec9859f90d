// `${NAME}` and `${NAME:-default}` in text values take environment variables. A value that was put in is not
// looked through again, so that no variable can smuggle another one in.
import type { Finding, Path } from './problem.ts';

/** A configuration with its variables put in. */
export interface Substituted {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** Paths, as JSON, of texts that a variable went into. */
  readonly places: ReadonlySet<string>;
}

/**
 * Puts environment variables into every text value, names excepted. `$${` stands for the text `${`. A variable that
 * is not set and has no default is a finding, and its value is left out.
 */
export function substituteVariables(root: unknown, env: NodeJS.ProcessEnv): Substituted {
  const findings: Finding[] = [];
  const places = new Set<string>();

  function visit(value: unknown, path: Path): unknown {
    if (typeof value === 'string') return value.includes('${') ? fill(value, path) : value;
    if (value === null || typeof value !== 'object') return value;
    if (path.length >= MOST_DEPTH) {
      findings.push({ path, message: `is nested deeper than ${MOST_DEPTH} levels; flatten it` });
      return undefined;
    }
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]));
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, visit(field, [...path, name])]));
  }

  function fill(text: string, path: Path): string | undefined {
    let isWhole = true;
    let isFilled = false;
    const filled = text.replace(PLACE, (place, name: string | undefined, fallback: string | undefined) => {
      if (place === '$${') return '${';
      const set = name !== undefined && Object.hasOwn(env, name) ? env[name] : undefined;
      const value = fallback !== undefined && set === '' ? fallback : (set ?? fallback);
      isFilled = true;
      if (name !== undefined && value !== undefined) return value;
      isWhole = false;
      findings.push({ path, message: name === undefined ? MALFORMED : missing(name) });
      return '';
    });
    if (!isWhole) return undefined;
    if (isFilled) places.add(JSON.stringify(path));
    return filled;
  }

  return { value: visit(root, []), findings, places };
}

// A program may pass an object that contains itself.
const MOST_DEPTH = 64;
const PLACE = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?/g;
const MALFORMED = 'has a ${ that names no variable; write ${NAME} or ${NAME:-default}, or $${ for the text itself';

function missing(name: string): string {
  return `environment variable ${name} is not set; set it, or write \${${name}:-default}`;
}
