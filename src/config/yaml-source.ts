// YAML 1.2 text -> plain data, with the place of every value. Whatever YAML leaves open to two readings is
// refused: names that stand twice, merge keys, several documents, unknown tags, aliases that multiply.
import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  visit,
  type YAMLError,
  YAMLParseError,
} from 'yaml';
import type { Finding, Path } from './problem.ts';

/** Line and column, from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** What a text says, and where it says it. */
export interface YamlSource {
  /** Mappings, lists and scalars; undefined where the text is not YAML. */
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** Paths whose value could not be read, so that nothing more can be said of them. */
  readonly lost: readonly Path[];
  /** Where the text stops being YAML. What a parser says of the text behind it means nothing. */
  readonly fault: (Position & { readonly message: string }) | undefined;
  /** Where a value or its name stands; for what is not there, the name of what it should be in. */
  locate(path: Path, atName: boolean): Position;
}

/** Reads a text as one YAML 1.2 document (core schema). */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const document = parsed(text, lines);
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document === undefined) {
    const fault = { line: 1, column: 1, message: TOO_DEEP };
    return { value: undefined, findings: [], lost: [], fault, locate: () => position(0) };
  }
  const fault = firstFault(document, text);
  const targets = fault ? NO_TARGETS : targetsOf(document);
  const reader = new TreeReader(targets);
  const places = new Places(document, targets);
  const value = fault ? undefined : reader.plain(document.contents, []);
  return {
    value,
    findings: reader.findings,
    lost: reader.lost,
    fault: fault && { ...position(fault.offset), message: fault.message },
    locate: (path, atName) => position(places.offsetOf(path, atName)),
  };
}

/** What the aliases stand for. */
type Targets = ReadonlyMap<Alias, Node>;

const NO_TARGETS: Targets = new Map();

/** The last anchor of its name before each alias, by one walk: the parser's own answer takes one for each alias. */
function targetsOf(document: Document): Targets {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(document, {
    Alias(_key, alias) {
      const target = anchors.get(alias.source);
      if (target) targets.set(alias, target);
    },
    Value(_key, node) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}

/** Undefined where it is nested deeper than {@link MOST_PARSED_DEPTH}. */
function parsed(text: string, lineCounter: LineCounter): Document | undefined {
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // Names that stand twice are found below, where their path is known.
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter,
    logLevel: 'error',
  });
  const tokens = tokensOf(text, lineCounter);
  if (tokens === undefined) return undefined;
  const [document, next] = composer.compose(tokens, true, text.length);
  if (next)
    document!.errors.push(new YAMLParseError([next.range[0], next.range[1]], 'MULTIPLE_DOCS', 'several documents'));
  return document;
}

/**
 * The tokens of which documents are composed; undefined where they are nested too deep. The composer calls itself for each
 * level: how far it can go depends on how much of the stack is left, and what is said of a file must not.
 */
function tokensOf(text: string, lineCounter: LineCounter): CST.Token[] | undefined {
  const parser = new Parser(lineCounter.addNewLine);
  lineCounter.addNewLine(0);
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > MOST_PARSED_DEPTH) return undefined;
  }
  tokens.push(...parser.end());
  return tokens;
}

/** Far less than any stack holds, and more than is told by its path. */
const MOST_PARSED_DEPTH = 256;
const MOST_DEPTH = 64;
const TOO_DEEP = 'is nested too deep; flatten it';
/** Nodes that are read again because an alias points at them. */
const MOST_ALIASED = 10_000;

/** Turns nodes into plain data. */
class TreeReader {
  readonly findings: Finding[] = [];
  readonly lost: Path[] = [];
  readonly #targets: Targets;
  readonly #open = new Set<Node>();
  #aliasDepth = 0;
  #aliased = 0;

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  plain(node: unknown, path: Path): unknown {
    if (isScalar(node)) return node.value;
    if (isAlias(node)) return this.#target(this.#targets.get(node), path);
    if (!isMap(node) && !isSeq(node)) return null;
    if (path.length >= MOST_DEPTH) return this.#refuse(path, `is nested deeper than ${MOST_DEPTH} levels; flatten it`);
    if (this.#aliasDepth > 0 && (this.#aliased += node.items.length) > MOST_ALIASED) return this.#giveUp(path);
    this.#open.add(node);
    const value = isSeq(node)
      ? node.items.map((item, index) => this.plain(item, [...path, index]))
      : this.#mapping(node.items, path);
    this.#open.delete(node);
    return value;
  }

  #target(target: Node | undefined, path: Path): unknown {
    if (target === undefined) return this.#refuse(path, 'is an alias of nothing; set its anchor (&name) before it');
    if (this.#open.has(target)) return this.#refuse(path, 'is an alias of what it stands in; write the value out');
    this.#aliasDepth++;
    const value = this.plain(target, path);
    this.#aliasDepth--;
    return value;
  }

  #mapping(pairs: readonly Pair[], path: Path): unknown {
    const fields = new Map<string, unknown>();
    for (const pair of pairs) {
      const name = nameOf(pair);
      const at = [...path, name];
      if (fields.has(name)) this.#find(at, 'stands here twice; keep one');
      else if (name === '__proto__') this.#find(at, 'is no name that can be used; choose another');
      else if (name === '<<') {
        this.#find(at, 'merge keys are not in YAML 1.2; write the fields out, or use an alias for a whole value');
        this.lost.push(path);
      } else fields.set(name, this.plain(pair.value, at));
    }
    return Object.fromEntries(fields);
  }

  /** Aliases of aliases multiply; nothing is read on, and nothing is said of what was read. */
  #giveUp(path: Path): undefined {
    if (this.lost.every((lost) => lost.length > 0))
      this.#refuse(path, `takes the values that aliases repeat above ${MOST_ALIASED}; write fewer of them`);
    this.lost.push([]);
  }

  #refuse(path: Path, message: string): undefined {
    this.#find(path, message);
    this.lost.push(path);
    return undefined;
  }

  #find(path: Path, message: string): void {
    this.findings.push({ path, atName: true, message });
  }
}

function nameOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : '';
}

/** Where values and their names stand. A mapping that is asked about is gone through once, whatever there is to say of it. */
class Places {
  readonly #document: Document;
  readonly #targets: Targets;
  readonly #pairs = new WeakMap<object, ReadonlyMap<string, Pair>>();

  constructor(document: Document, targets: Targets) {
    this.#document = document;
    this.#targets = targets;
  }

  /** Where the steps lead, or as far as they do. Of names that stand twice, the last is found. */
  offsetOf(path: Path, atName: boolean): number {
    let node: unknown = this.#document.contents;
    let nameOffset = 0;
    for (const step of path) {
      if (isAlias(node)) node = this.#targets.get(node);
      if (isMap(node)) {
        const pair = this.#pairsOf(node).get(String(step));
        if (!pair) return nameOffset;
        nameOffset = (pair.key as Node).range?.[0] ?? nameOffset;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(step)];
        if (node === undefined) return nameOffset;
        nameOffset = (node as Node).range?.[0] ?? nameOffset;
      } else {
        return nameOffset;
      }
    }
    return atName ? nameOffset : ((node as Node | null)?.range?.[0] ?? nameOffset);
  }

  #pairsOf(map: { readonly items: readonly Pair[] }): ReadonlyMap<string, Pair> {
    let pairs = this.#pairs.get(map);
    if (!pairs) this.#pairs.set(map, (pairs = new Map(map.items.map((pair) => [nameOf(pair), pair]))));
    return pairs;
  }
}

function firstFault(document: Document, text: string): { offset: number; message: string } | undefined {
  const { directives } = document;
  if (directives?.yaml.explicit && directives.yaml.version !== '1.2')
    return { offset: 0, message: 'asks for another version of YAML; write %YAML 1.2 or leave it out' };
  const [first] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  if (first === undefined) return undefined;
  return { offset: first.pos[0], message: faultMessage(first, text) };
}

/** Characters of what the parser says: it repeats what it read. */
const MOST_SAID = 160;

function faultMessage(fault: YAMLError, text: string): string {
  if (text.startsWith('${', fault.pos[0] - 1))
    return 'has ${…} without quotation marks inside { } or [ ]; write it between quotation marks';
  switch (fault.code) {
    case 'MULTIPLE_DOCS':
      return 'holds more than one document; keep one, without --- between';
    case 'TAB_AS_INDENT':
      return 'is indented with a tab; indent with spaces';
    case 'TAG_RESOLVE_FAILED':
      return 'has a tag (!…) that means nothing here; leave it out';
    case 'NON_STRING_KEY':
      return 'has a mapping or list where a name should be; write plain names before the colons';
    default: {
      const [line = ''] = fault.message.split('\n');
      const said = line.charAt(0).toLowerCase() + line.slice(1, MOST_SAID).replace(/[.:]$/, '');
      return `is not valid YAML (${said}); check indentation, brackets and quotation marks here`;
    }
  }
}
