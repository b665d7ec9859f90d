// Configuration files from choices: valid ones of the project's own, damaged as text or as a tree.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Draw } from '../draw.ts';
import type { FuzzCase } from '../fuzz-case.ts';
import { VALUES, NAMES, LETTERS, NUMBERS, STRUCTURES } from './words.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SEEDS = globSync(['config/portcullis.yaml', 'test/fixtures/config/good/*.yaml'], { cwd: ROOT })
  .sort()
  .map((file) => readFileSync(join(ROOT, file), 'utf8'));
/** What a secret or a variable in those files may name. */
export const ENVIRONMENT = {
  PEPPER: 'p'.repeat(32),
  OLD_PEPPER: 'o'.repeat(32),
  HOST: '127.0.0.1',
  RETRIES: '2',
  BEARER: 'false',
  PEPPER_NAME: 'PEPPER',
  SCOPE: 'orders:read',
  NESTED: '${PEPPER}',
  NUMERIC_OWNER: '7',
};

/** The parts are lines. */
export function configurationCase(draw: Draw): FuzzCase {
  const seed = draw.pick(SEEDS);
  let text = seed;
  if (draw.chance(0.6)) text = withDamagedTree(draw, seed);
  if (draw.chance(0.5)) for (let count = 1 + draw.below(4); count > 0; count--) text = withDamagedText(draw, text);
  return { setting: 'lines', parts: text.split('\n') };
}

function withDamagedTree(draw: Draw, text: string): string {
  let tree = parse(text, { logLevel: 'silent' }) as unknown;
  for (let count = 1 + draw.below(3); count > 0; count--) tree = damaged(draw, tree);
  // Flow style has brackets where block style has indentation.
  return stringify(tree, draw.chance(0.3) ? { collectionStyle: 'flow' } : {});
}

/** The tree with one change somewhere. */
function damaged(draw: Draw, node: unknown): unknown {
  if (draw.chance(0.15) || node === null || typeof node !== 'object')
    return draw.chance(0.5) ? draw.pick(VALUES) : changed(draw, node);
  const pairs = Object.entries(node);
  if (pairs.length === 0) return draw.pick(VALUES);
  const at = draw.below(pairs.length);
  const [name, value] = pairs[at]!;
  const others = pairs.toSpliced(at, 1);
  const rebuilt = (entries: [string, unknown][]): unknown =>
    Array.isArray(node) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
  switch (draw.below(10)) {
    case 0:
      return rebuilt(others);
    case 1:
      return rebuilt([...pairs, [draw.pick(NAMES), value]]);
    case 2:
      return rebuilt([...others, [draw.pick(NAMES), value]]);
    case 3:
      return rebuilt([...pairs, [`${name}-2`, draw.pick(pairs)[1]]]);
    case 4:
      return rebuilt([...others, [name, draw.pick(VALUES)]]);
    default:
      return rebuilt(pairs.with(at, [name, damaged(draw, value)]));
  }
}

/** A scalar that is nearly the same. */
function changed(draw: Draw, value: unknown): unknown {
  if (typeof value !== 'string' || value === '') return draw.pick(VALUES);
  const at = draw.below(value.length);
  return value.slice(0, at) + draw.pick(LETTERS) + value.slice(at + draw.below(3));
}

function withDamagedText(draw: Draw, text: string): string {
  const at = draw.below(text.length + 1);
  const lines = text.split('\n');
  const row = draw.below(lines.length);
  switch (draw.below(9)) {
    case 0:
      return text.slice(0, at) + draw.pick(LETTERS) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + draw.below(20));
    case 2:
      return text.slice(0, at) + draw.pick(STRUCTURES) + text.slice(at);
    case 3:
      return lines.toSpliced(row, 1).join('\n');
    case 4:
      return lines.toSpliced(row, 0, lines[draw.below(lines.length)]!).join('\n');
    case 5:
      return lines.with(row, `${' '.repeat(draw.below(5))}${lines[row]!}`).join('\n');
    case 6:
      return lines.with(row, lines[row]!.replace(/:.*/, `: ${draw.pick(STRUCTURES)}`)).join('\n');
    case 7:
      return text.slice(0, at) + draw.pick(LETTERS).repeat(10 ** draw.below(5)) + text.slice(at);
    default:
      return text.replaceAll(/\d+/g, (digits) => (draw.chance(0.2) ? draw.pick(NUMBERS) : digits));
  }
}
