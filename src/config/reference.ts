// The reference page of the configuration: prose from a template, tables of fields from the JSON Schema. A
// mapping of fields that no table shows is an error, so that the page never falls behind the schema.
import type { JsonSchema } from './json-schema.ts';

/**
 * Fills a template in. `<!-- fields: store -->` becomes the table of the fields of `store`; `*` stands for any
 * name, and paths behind the first have the same fields.
 * @throws {RangeError} if a path leads nowhere, or fields of the schema are in no table
 */
export function configReference(template: string, schema: JsonSchema): string {
  const left = new Map(mappings(schema, []).map((mapping) => [mapping.path, mapping.schema]));
  const page = template.replaceAll(/<!-- fields: (.+?) -->/g, (_, paths: string) => {
    const tables = paths.split(' ').map((path) => {
      const mapping = left.get(path);
      if (!mapping) throw new RangeError(`${path} is no mapping of fields, or has its table already`);
      left.delete(path);
      return table(mapping);
    });
    if (new Set(tables).size > 1) throw new RangeError(`${paths} do not have the same fields`);
    return tables[0] ?? '';
  });
  if (left.size > 0) throw new RangeError(`no table shows ${[...left.keys()].join(', ')}`);
  return page;
}

/** The path of the file as a whole. */
const WHOLE = '(file)';

interface Mapping {
  readonly path: string;
  readonly schema: JsonSchema;
}

/** Every mapping of fields in the schema. */
function mappings(schema: JsonSchema, path: readonly string[]): Mapping[] {
  const found = schema.properties ? [{ path: path.join('.') || WHOLE, schema }] : [];
  const inner = Object.entries(schema.properties ?? {});
  if (typeof schema.additionalProperties === 'object') inner.push(['*', schema.additionalProperties]);
  return [...found, ...inner.flatMap(([name, field]) => mappings(field, [...path, name]))];
}

function table({ properties = {}, required = [] }: JsonSchema): string {
  const rows = Object.entries(properties).map(([name, field]) => [
    `\`${name}\``,
    takes(field),
    required.includes(name) ? 'required' : defaultOf(field),
    field.description ?? '',
  ]);
  return [['field', 'takes', 'default', 'meaning'], ['---', '---', '---', '---'], ...rows].map(rowText).join('\n');
}

function rowText(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** What a field takes, in words. */
function takes(field: JsonSchema): string {
  if (field.title !== undefined) return field.title;
  if (field.const !== undefined) return code(field.const);
  if (field.enum) return field.enum.map(code).join(', ');
  if (field.anyOf) return field.anyOf.map(takes).join(' or ');
  switch (field.type) {
    case 'array':
      return field.items ? `list of ${field.items.enum ? takes(field.items) : plural(takes(field.items))}` : 'list';
    case 'object':
      return field.properties ? 'fields' : `mapping of names to ${mapped(field.additionalProperties)}`;
    case 'integer':
      return `${field.minimum} to ${field.maximum}`;
    case 'boolean':
      return '`true`, `false`';
    case 'string':
      return `text, ${field.minLength} to ${field.maxLength} characters`;
    case 'null':
      return '`null`';
    default:
      throw new RangeError(`there are no words for ${JSON.stringify(field)}`);
  }
}

function mapped(value: JsonSchema | boolean | undefined): string {
  if (typeof value !== 'object') return 'anything';
  return value.type === 'array' ? plural(takes(value)) : 'fields';
}

function plural(words: string): string {
  return words.startsWith('list of') ? words.replace('list', 'lists') : `${words}s`;
}

function defaultOf({ default: value }: JsonSchema): string {
  if (value === undefined) return 'none';
  const isEmptyMapping = value !== null && typeof value === 'object' && !Array.isArray(value);
  return isEmptyMapping ? '' : code(Array.isArray(value) ? `[${value.join(', ')}]` : value);
}

function code(value: unknown): string {
  return `\`${String(value)}\``;
}
