// What is generated from the schema is in step with it: `node src/config/generate.ts` writes it anew.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { configJsonSchema, configJsonSchemaText } from '../../src/config/json-schema.ts';
import { configReference } from '../../src/config/reference.ts';

const root = `${import.meta.dirname}/../..`;
const good = `${root}/test/fixtures/config/good`;

const template = (): Promise<string> => readFile(`${root}/src/config/reference.md`, 'utf8');

test('config/portcullis.schema.json is what the schema gives', async () => {
  assert.equal(await readFile(`${root}/config/portcullis.schema.json`, 'utf8'), configJsonSchemaText());
});

test('docs/configuration.md is what the schema and its template give', async () => {
  const page = configReference(await template(), configJsonSchema());
  assert.equal(await readFile(`${root}/docs/configuration.md`, 'utf8'), page);
});

test('every field has a description, and every mapping of fields a table', async () => {
  const page = configReference(await template(), configJsonSchema());
  assert.doesNotMatch(page, /\|\s*\|\n/, 'a row without a meaning');
  const { properties, ...rest } = configJsonSchema();
  const schema = { ...rest, properties: { ...properties, added: { type: 'object', properties: {} } } };
  assert.throws(() => configReference('', schema), /no table shows \(file\), listen, .*added/);
});

test('the JSON Schema takes the good configurations as they are written, and finds a field it does not know', async () => {
  const validator = z.fromJSONSchema(configJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  for (const file of await readdir(good)) {
    // A variable where a number belongs is for the gateway alone to judge.
    if (file === 'variables.yaml') continue;
    const result = validator.safeParse(parse(await readFile(`${good}/${file}`, 'utf8')));
    assert.ok(result.success, `${file}: ${result.error?.message}`);
  }
  assert.ok(validator.safeParse(parse(await readFile(`${root}/config/portcullis.yaml`, 'utf8'))).success);
  assert.ok(validator.safeParse({ version: 1, store: { timeout: '${TIMEOUT}' } }).success);
  for (const wrong of [
    { version: 1, rotues: {} },
    { version: 1, store: { timeout: '10' } },
    { version: 1, roles: { Reader: [] } },
  ])
    assert.ok(!validator.safeParse(wrong).success, JSON.stringify(wrong));
});
