// What somebody who can write to Redis, but lacks the pepper, may do to it, from choices: any command on any key, and edits
// of what is there. Keys are named by their place among all keys in alphabetical order, so that no name is known here.
import type { Draw } from '../draw.ts';
import type { FuzzCase } from '../fuzz-case.ts';

/** One thing done to the content. The numbers are places of keys; where there are fewer keys, they begin anew. */
export type Vandalism =
  | { readonly do: 'command'; readonly name: string; readonly key: number; readonly words: readonly string[] }
  /** Writes the content of one key under the name of another. */
  | { readonly do: 'copy'; readonly from: number; readonly to: number }
  | { readonly do: 'swap'; readonly one: number; readonly other: number }
  /** Replaces a stretch of a text. */
  | { readonly do: 'splice'; readonly key: number; readonly at: number; readonly length: number; readonly text: string }
  /** Sets a field of a record, or gives it that of another record. */
  | { readonly do: 'field'; readonly key: number; readonly field: string; readonly value: unknown }
  | { readonly do: 'graft'; readonly key: number; readonly from: number; readonly field: string }
  /** Adds an entry to a stream. */
  | { readonly do: 'entry'; readonly key: number; readonly words: readonly string[] };

export function storeCase(draw: Draw): FuzzCase {
  const parts = Array.from({ length: 1 + draw.below(4) }, () => JSON.stringify(vandalism(draw)));
  return { setting: 'redis', parts };
}

function vandalism(draw: Draw): Vandalism {
  const key = (): number => draw.below(40);
  switch (draw.below(10)) {
    case 0:
    case 1:
      return { do: 'command', key: key(), ...draw.pick(COMMANDS) };
    case 2:
      return { do: 'copy', from: key(), to: key() };
    case 3:
      return { do: 'swap', one: key(), other: key() };
    case 4:
    case 5:
      return {
        do: 'splice',
        key: key(),
        at: draw.below(600),
        length: draw.below(draw.chance(0.2) ? 400 : 4),
        text: draw.pick(TEXTS),
      };
    case 6:
    case 7:
      return { do: 'field', key: key(), field: draw.pick(FIELDS), value: draw.pick(VALUES) };
    case 8:
      return { do: 'graft', key: key(), from: key(), field: draw.pick(FIELDS) };
    default:
      return { do: 'entry', key: key(), words: draw.pick(ENTRIES) };
  }
}

const COMMANDS: readonly { readonly name: string; readonly words: readonly string[] }[] = [
  { name: 'DEL', words: [] },
  { name: 'SET', words: [''] },
  { name: 'SET', words: ['null'] },
  { name: 'SET', words: ['alpha'] },
  { name: 'SET', words: ['gamma'] },
  { name: 'SET', words: ['../../alpha'] },
  { name: 'SET', words: ['{"id":"alpha","scopes":["*"]}'] },
  { name: 'SET', words: ['\0\xff\xfe'] },
  { name: 'SET', words: ['['.repeat(20_000)] },
  { name: 'SET', words: ['9'.repeat(400)] },
  { name: 'SET', words: ['-1'] },
  { name: 'SET', words: ['NaN'] },
  { name: 'SET', words: ['a'.repeat(1_200_000)] },
  { name: 'APPEND', words: [' '] },
  { name: 'APPEND', words: ['\0'] },
  { name: 'SETRANGE', words: ['3', '\xff'] },
  { name: 'PEXPIRE', words: ['1'] },
  { name: 'PERSIST', words: [] },
  { name: 'INCR', words: [] },
  { name: 'HSET', words: ['a', 'b'] },
  { name: 'LPUSH', words: ['a', 'b'] },
  { name: 'SADD', words: ['alpha', 'gamma'] },
  { name: 'ZADD', words: ['inf', 'alpha'] },
  { name: 'ZADD', words: ['0', 'nobody', '1', 'x'.repeat(500), '-inf', '\xff'] },
  { name: 'ZREM', words: ['alpha'] },
  { name: 'XTRIM', words: ['MAXLEN', '0'] },
  { name: 'XADD', words: ['18446744073709551614-1', 'number', '1', 'id', 'alpha'] },
  { name: 'XADD', words: ['*', 'number', 'NaN', 'id', '\xff'] },
  { name: 'HSET', words: ['c', 'NaN', 't', '1e400', 'w', '-5'] },
  { name: 'GEOADD', words: ['1', '1', 'x'] },
  { name: 'PFADD', words: ['x'] },
  { name: 'SETBIT', words: ['8000000', '1'] },
];
const TEXTS = [
  '',
  '',
  '"',
  ',',
  '}',
  '0',
  '9',
  '*',
  'admin:write',
  '\0',
  '\xff',
  '\\u0000',
  '"scopes":["*"],',
  'null',
  'e9',
  '-',
  'é',
  ' ',
  '"__proto__":{"scopes":["*"]},',
];
const FIELDS = [
  'id',
  'revision',
  'owner',
  'name',
  'declared',
  'roles',
  'scopes',
  'allow',
  'deny',
  'plan',
  'expiresAt',
  'status',
  'meta',
  'createdAt',
  'updatedAt',
  'secrets',
  'mac',
  '__proto__',
  'constructor',
  'toJSON',
  'epoch',
  'generation',
  'extra',
];
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  2,
  1e308,
  1.5,
  '',
  'alpha',
  'gamma',
  'active',
  'disabled',
  '*',
  [],
  ['*'],
  ['admin:write'],
  [['*']],
  {},
  { a: 1 },
  [null],
  'reader',
  ['root'],
  ['0.0.0.0/0'],
  ['10.0.0.0/8', 'x'],
  Number.MAX_SAFE_INTEGER,
  '\ud800',
  'a'.repeat(100_000),
  { __proto__: null, length: 3 },
];
const ENTRIES: readonly (readonly string[])[] = [
  ['number', '1', 'id', 'alpha'],
  ['number', '-1', 'id', 'alpha'],
  ['number', 'Infinity', 'id', 'gamma'],
  ['number', '9007199254740993', 'id', 'x'.repeat(1000)],
  ['id', 'alpha'],
  ['number', '5'],
  ['a', 'b'],
  ['', ''],
  ['number', '\xff\0', 'id', '\r\n'],
  ['number', '1', 'number', '2', 'id', 'alpha', 'id', 'gamma'],
  ['id', 'id', 'number', 'number'],
];
