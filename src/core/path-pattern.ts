// The path of a route as a person writes it: literal segments, `*` or `{name}` for one segment, and a last
// `**` for any number, none too. Literals are written decoded, as core/target.ts hands them out, so that a
// pattern and a request are compared in one spelling.

/** One segment that has to be there. `*` and `{name}` are the same. */
export type PathSegment = { readonly kind: 'literal'; readonly text: string } | { readonly kind: 'one' };

export interface PathPattern {
  readonly ok: true;
  readonly segments: readonly PathSegment[];
  /** Ends with `**`: any number of further segments, none too. */
  readonly isOpen: boolean;
}

/** A pattern, or what is wrong with its text and the cure, as the end of a sentence that begins with the text. */
export type ParsedPathPattern = PathPattern | { readonly ok: false; readonly problem: string };

/** Parses a route's path. What it takes can match some request that core/target.ts lets through. */
export function parsePathPattern(text: string): ParsedPathPattern {
  if (!text.startsWith('/')) return refused('does not begin with /; write it like /orders/**');
  if (text === '/') return { ok: true, segments: [], isOpen: false };
  if (text.endsWith('/')) return refused(`ends with /; write ${text.replace(/\/+$/, '') || '/'}, which matches it too`);
  const problem = characterProblem(text);
  if (problem !== undefined) return refused(problem);
  const parts = text.slice(1).split('/');
  const isOpen = parts.at(-1) === '**';
  if (isOpen) parts.pop();
  const segments: PathSegment[] = [];
  const names = new Set<string>();
  for (const part of parts) {
    const flaw = segmentProblem(part, names);
    if (flaw !== undefined) return refused(flaw);
    segments.push(part === '*' || part.startsWith('{') ? { kind: 'one' } : { kind: 'literal', text: part });
  }
  return { ok: true, segments, isOpen };
}

/** A text that two patterns share exactly if they match the same paths. */
export function pathShape({ segments, isOpen }: PathPattern): string {
  const parts = segments.map((segment) => (segment.kind === 'literal' ? segment.text : '*'));
  return `/${[...parts, ...(isOpen ? ['**'] : [])].join('/')}`;
}

const PARAMETER = /^\{([A-Za-z_][A-Za-z0-9_-]{0,63})\}$/;
const CONTROL = /\p{Cc}/u;

function characterProblem(text: string): string | undefined {
  if (text.includes('?')) return 'has a ?; the query is not a part of the path, so leave it out';
  if (text.includes('#')) return 'has a #, which no request path has; leave it out';
  if (text.includes(';')) return 'has a ;, and requests with one are refused as ambiguous; leave it out';
  if (text.includes('\\')) return 'has a \\, and requests with one are refused as ambiguous; separate segments with /';
  if (text.includes('%')) return `has percent-encoding; write the character itself${decodedHint(text)}`;
  if (CONTROL.test(text)) return 'has a control character, and requests with one are refused; leave it out';
  if (!text.isWellFormed()) return 'has half of a surrogate pair, which is no character; write the whole one';
  return undefined;
}

function segmentProblem(part: string, names: Set<string>): string | undefined {
  if (part === '') return 'has an empty segment (//), and requests with one are refused; write a single /';
  if (part === '.' || part === '..')
    return `has the dot segment ${part}, and requests with one are refused; leave it out`;
  if (part === '*') return undefined;
  if (part === '**') return 'has ** before its end; ** is only the last segment, and * is one segment';
  const name = PARAMETER.exec(part)?.[1];
  if (name !== undefined) {
    if (names.has(name)) return `has {${name}} twice; give each a name of its own`;
    names.add(name);
    return undefined;
  }
  if (part.includes('*')) return `has * inside the segment ${part}; * and ** are whole segments`;
  if (/[{}]/.test(part))
    return `has a brace in the segment ${part}; {name} is a whole segment, and a name has letters, digits, _ and -`;
  return undefined;
}

/** The decoded spelling, where it is a pattern that would be taken. */
function decodedHint(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    return decoded.includes('%') || !parsePathPattern(decoded).ok ? '' : `, as in ${JSON.stringify(decoded)}`;
  } catch {
    return '';
  }
}

function refused(problem: string): ParsedPathPattern {
  return { ok: false, problem };
}
