// The shape of `src`, as a table that a test holds against the import lines: imports point inward, only
// `compose` constructs, and each library stands behind the folder whose job it does.

/** Paths relative to the project's root, with their text. */
export type SourceTree = ReadonlyMap<string, string>;

/** What each folder of `src`, or file at its top, may import from. `*` is everything below `compose`. */
const EDGES: Readonly<Record<string, readonly string[] | '*'>> = {
  core: [],
  config: ['core', 'secrets'],
  secrets: ['core'],
  stores: ['core'],
  record: ['core'],
  checks: ['core'],
  manage: ['core', 'config'],
  wire: ['core'],
  forward: ['core', 'config', 'wire'],
  policy: ['core', 'config'],
  decide: ['core', 'checks'],
  fronts: ['core', 'decide', 'forward', 'record'],
  compose: '*',
  cli: ['core', 'config', 'manage', 'decide', 'compose'],
  'main.ts': ['cli'],
  'index.ts': ['compose', 'config'],
  'express.ts': ['compose', 'fronts'],
  demo: [],
};

/** What even `compose` may not import: what stands outside it. */
const OUTERMOST = new Set(['cli', 'demo', 'main.ts', 'index.ts', 'express.ts']);

/** The folders that may import a library; one that is not named here may be imported nowhere. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  commander: ['cli'],
  express: ['fronts', 'compose'],
  'http-proxy-middleware': ['forward'],
  ioredis: ['stores'],
  'ipaddr.js': ['core'],
  pino: ['record'],
  'prom-client': ['record'],
  'rate-limiter-flexible': ['stores'],
  ws: ['demo'],
  yaml: ['config'],
  zod: ['config', 'stores', 'manage', 'cli'],
};

/** Where the environment may be read. */
const READS_ENVIRONMENT = new Set(['compose', 'secrets', 'cli', 'main.ts', 'demo']);

const LONGEST_FILE = 350;

/** Everything that is wrong with the tree, a sentence each. */
export function violations(tree: SourceTree): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of tree) {
    const unit = unitOf(file);
    if (EDGES[unit] === undefined) found.push(`${file}: ${unit} has no row in the table of allowed imports`);
    const ours: string[] = [];
    graph.set(file, ours);
    for (const name of importsOf(text)) {
      if (name.startsWith('.')) {
        const target = resolved(file, name);
        ours.push(target);
        if (!mayImport(unit, unitOf(target))) found.push(`${file}: ${unit} may not import ${unitOf(target)} (${name})`);
      } else if (!name.startsWith('node:') && !LIBRARIES[libraryOf(name)]?.includes(unit)) {
        found.push(`${file}: ${unit} may not import the library ${libraryOf(name)}`);
      }
    }
    if (!READS_ENVIRONMENT.has(unit) && /\bprocess\s*\.\s*env\b|\bprocess\s*\[/.test(withoutComments(text)))
      found.push(`${file}: ${unit} may not read process.env`);
    const lines = text.split('\n').length - 1;
    if (lines > LONGEST_FILE) found.push(`${file}: ${lines} lines; a file is one idea of at most ${LONGEST_FILE}`);
  }
  for (const cycle of cycles(graph)) found.push(`${cycle.join(' -> ')}: a circle of imports`);
  return found;
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  const allowed = EDGES[from];
  return allowed === '*' ? !OUTERMOST.has(to) : (allowed?.includes(to) ?? false);
}

/** Every module name that a file imports or re-exports, types too. */
function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const statement = /^\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]/gm;
  const expression = /\bimport\s*\(\s*['"]([^'"]+)['"]/g;
  return [...code.matchAll(statement), ...code.matchAll(expression)].map((match) => match[1] ?? match[2]!);
}

/** Comment lines are dropped, so that an example in TSDoc is no import. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');
}

/** The folder of `src` that a file is in, or its own name at the top: `src/core/fault.ts` is `core`. */
function unitOf(file: string): string {
  return file.split('/')[1] ?? file;
}

function libraryOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

function resolved(file: string, name: string): string {
  return new URL(name, `file:///${file}`).pathname.slice(1);
}

/** One circle for each edge that closes one, found depth first. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start !== -1) {
      found.push([...path.slice(start), file]);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}
