// Writes what is derived from the schema: the JSON Schema and the reference page. Run it after every change
// of the schema or of the page's template; a test holds the files to it.
import { readFile, writeFile } from 'node:fs/promises';
import { configJsonSchema, configJsonSchemaText } from './json-schema.ts';
import { configReference } from './reference.ts';

const root = new URL('../../', import.meta.url);
const template = await readFile(new URL('src/config/reference.md', root), 'utf8');
await writeFile(new URL('config/portcullis.schema.json', root), configJsonSchemaText());
await writeFile(new URL('docs/configuration.md', root), configReference(template, configJsonSchema()));
