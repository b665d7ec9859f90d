// One line of an import file: a JSON object, read strictly. No problem repeats what may be a secret.
import { z } from 'zod';
import { nearest } from '../config/suggest.ts';
import { expiryMs } from '../config/units.ts';
import type { ImportEntry } from '../manage/import-entry.ts';

/** An entry, or every reason why the line is none. */
export type ReadLine = { readonly entry: ImportEntry } | { readonly problems: readonly string[] };

/** Reads one line. */
export function readImportLine(bytes: Uint8Array): ReadLine {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (fault) {
    // The parser's own message quotes the line.
    return { problems: [fault instanceof SyntaxError ? 'is not JSON; write one object a line' : 'is not UTF-8'] };
  }
  const parsed = lineSchema.safeParse(value);
  return parsed.success ? { entry: entryOf(parsed.data) } : { problems: parsed.error.issues.flatMap(sentences) };
}

const text = z.string('takes a text');
const texts = z.array(text, 'takes a list of texts').optional();
const optionalText = text.nullish();

const lineSchema = z
  .strictObject(
    {
      id: text.optional(),
      owner: optionalText,
      name: optionalText,
      secret: text.optional(),
      sha256: text
        .regex(/^[0-9a-f]{64}$/i, 'takes 64 hexadecimal digits')
        .transform((hex) => Buffer.from(hex, 'hex'))
        .optional(),
      roles: texts,
      scopes: texts,
      networks: z.strictObject({ allow: texts, deny: texts }, 'takes an object with allow and deny').optional(),
      plan: optionalText,
      expires: text
        .transform((date, context) => {
          const at = expiryMs(date);
          if (at === undefined) {
            context.addIssue({ code: 'custom', message: 'takes a date like 2027-12-31 or 2027-12-31T12:00:00Z' });
          }
          return at ?? z.NEVER;
        })
        .nullish(),
      meta: z.record(text, text, 'takes an object of texts').optional(),
    },
    'takes one object',
  )
  .superRefine(({ secret, sha256 }, context) => {
    if ((secret === undefined) === (sha256 === undefined)) {
      context.addIssue({ code: 'custom', message: 'takes either secret or sha256' });
    }
  });

type Line = z.output<typeof lineSchema>;

const FIELDS = Object.keys(lineSchema.shape);

function entryOf({
  id,
  secret,
  sha256,
  roles,
  scopes,
  networks,
  meta = {},
  owner,
  name,
  plan,
  expires,
}: Line): ImportEntry {
  return {
    ...(id !== undefined && { id }),
    secret: sha256 === undefined ? { text: secret! } : { sha256 },
    grants: {
      ...(owner != null && { owner }),
      ...(name != null && { name }),
      ...(roles && { roles }),
      ...(scopes && { scopes }),
      ...(networks?.allow && { allow: networks.allow }),
      ...(networks?.deny && { deny: networks.deny }),
      ...(plan != null && { plan }),
      ...(expires != null && { expiresAt: expires }),
    },
    meta,
  };
}

function sentences(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((field) => unknownField(field, issue.path));
  const path = pathText(issue.path);
  return [path === '' ? `the line ${issue.message}` : `${path} ${issue.message}`];
}

function unknownField(field: string, path: readonly PropertyKey[]): string {
  const known = path.length === 0 ? FIELDS : ['allow', 'deny'];
  const meant = nearest(field, known);
  const place = path.length === 0 ? 'the line' : pathText(path);
  return meant === undefined
    ? `${place} has a field that is not known; it takes ${known.join(', ')}`
    : `${place} has a field that is not known; did you mean ${meant}?`;
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .slice(1);
}
