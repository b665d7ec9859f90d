// Secret references: what they lead to, and that one which leads nowhere is a fault, never literal text.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { resolveSecret, SecretFault } from '../../src/secrets/resolve.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const resolved = async (reference: string, env: NodeJS.ProcessEnv = {}): Promise<string> =>
  (await resolveSecret(reference, env)).toString('latin1');

async function faultOf(reference: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const fault = await resolveSecret(reference, env).then(
    () => assert.fail('was resolved'),
    (thrown: unknown) => thrown,
  );
  assert.ok(fault instanceof SecretFault, String(fault));
  assert.equal(fault.exitCode, 78);
  return fault.message;
}

test('env: is the value of an environment variable, as it is', async () => {
  assert.equal(await resolved('env:PEPPER', { PEPPER: ' text\n' }), ' text\n');
});

test('file: is the content of a file without one line break at its end', async () => {
  await using directory = await makeTempDir();
  const path = directory.file('secret');
  for (const [content, secret] of [
    ['text', 'text'],
    ['text\n', 'text'],
    ['text\r\n', 'text'],
    ['text\n\n', 'text\n'],
    ['\xff\x00 \n', '\xff\x00 '],
  ] as const) {
    await writeFile(path, content, 'latin1');
    assert.equal(await resolved(`file:${path}`), secret);
  }
});

test('a reference that leads nowhere is a fault with the cure', async () => {
  await using directory = await makeTempDir();
  assert.match(await faultOf('env:NONE'), /^environment variable NONE is not set; /);
  assert.match(await faultOf('env:NONE', { NONE: '' }), /^environment variable NONE is empty; /);
  assert.match(await faultOf('env:toString'), /is not set/);
  assert.match(await faultOf(`file:${directory.file('none')}`), /none does not exist; make it, or name another file$/);
  await mkdir(directory.file('folder'));
  assert.match(await faultOf(`file:${directory.file('folder')}`), /is a directory; name a file in it$/);
  await writeFile(directory.file('empty'), '\n');
  assert.match(await faultOf(`file:${directory.file('empty')}`), /is empty; write the secret into it$/);
  await writeFile(directory.file('large'), 'x'.repeat(64 * 1024 + 1));
  assert.match(await faultOf(`file:${directory.file('large')}`), /has more than 65536 bytes/);
  assert.match(await faultOf('file:/dev/zero'), /has more than 65536 bytes/);
});

test('anything else is refused and not repeated', async () => {
  for (const text of [
    'canary-secret-canary-secret',
    'canary-secret:x',
    'http://canary-secret',
    'ENV:canary-secret',
    'env:canary-secret!',
    '',
  ])
    assert.doesNotMatch(await faultOf(text), /canary/);
});

test('references of later versions are refused by name', async () => {
  assert.match(
    await faultOf('vault:kv/pepper'),
    /^vault: references are not in this version; write env:NAME or file:PATH$/,
  );
  assert.match(await faultOf('aws-sm:pepper'), /^aws-sm: references are not in this version/);
});
