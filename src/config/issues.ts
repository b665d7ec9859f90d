// zod's issues -> findings in plain sentences. Most messages stand in the schema beside the field they are
// about; here are those that need to know more: unknown fields, misspelt words, and values with several forms.
import type { z } from 'zod';
import { shown } from './fields.ts';
import type { Finding, Path } from './problem.ts';
import { configSchema } from './schema.ts';
import { fieldNamesAt } from './schema-fields.ts';
import { alternatives, didYouMean, nearest } from './suggest.ts';

/** The message of an issue that the schema leaves open; to be passed to `safeParse`. */
export function explainIssue(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'invalid_value') return undefined;
  const words = issue.values.map(String);
  const accepted = words.length === 1 ? words[0] : `one of ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  const meant = typeof issue.input === 'string' ? didYouMean(issue.input, words) : '';
  return `takes ${accepted}, not ${shown(issue.input)}${meant}`;
}

/** Findings for an issue, one for each field that is wrong. */
export function findingsOf(issue: z.core.$ZodIssue, base: Path = []): Finding[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownField(key, path));
    case 'invalid_key':
      return [{ path, atName: true, message: `its name ${issue.issues[0]?.message ?? 'is not accepted'}` }];
    case 'invalid_union':
      return (
        fittingForm(issue.errors)?.flatMap((inner) => findingsOf(inner, path)) ?? [{ path, message: issue.message }]
      );
    default:
      return [{ path, message: issue.message }];
  }
}

function unknownField(name: string, parent: Path): Finding {
  const accepted = fieldNamesAt(configSchema, parent);
  const meant = nearest(name, accepted);
  return {
    path: [...parent, name],
    atName: true,
    message: `is not a field here${accepted.length > 0 ? alternatives(name, accepted, 'accepted') : '; leave it out'}`,
    ...(meant !== undefined && { meant: [...parent, meant] }),
  };
}

/** The form whose outside fits and only whose inside is wrong, if there is one. */
function fittingForm(forms: readonly z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  return forms.find((issues) => issues.every((issue) => issue.path.length > 0));
}
