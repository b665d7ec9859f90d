// SPEC section 1: errors go to standard error, one clear sentence each, no stack trace.
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { reportFault } from '../../src/cli/faults.ts';
import { type Host, Terminal } from '../../src/cli/terminal.ts';
import { StoreFault, UserFault } from '../../src/core/fault.ts';

for (const [what, fault, exitCode, says] of [
  ['wrong usage', new UserFault('that is not how', 2), 2, 'portcullis: that is not how\n'],
  ['several faults at once', new UserFault('one\ntwo', 78), 78, 'portcullis: one\nportcullis: two\n'],
  [
    'a store that fails',
    new StoreFault('find', 'Redis is away.'),
    1,
    'portcullis: Redis is away; see that the store of the configuration runs, and try again\n',
  ],
  [
    'a store that fails, and the cure is known',
    new StoreFault('save', 'Redis is full; raise its maxmemory.', undefined, true),
    1,
    'portcullis: Redis is full; raise its maxmemory\n',
  ],
  [
    'a defect',
    new TypeError('x is not a function'),
    1,
    'portcullis: this is a defect in Portcullis: x is not a function; PORTCULLIS_DEBUG=1 shows where\n',
  ],
  ['control characters', new UserFault('a\u001b[2Jb'), 1, 'portcullis: a\\u{1b}[2Jb\n'],
] as const) {
  test(`${what}: a sentence and exit code ${exitCode}, no stack trace`, () => {
    assert.deepEqual(reported(fault, {}), [exitCode, says]);
  });
}

test('PORTCULLIS_DEBUG adds the stack trace', () => {
  const [exitCode, said] = reported(new TypeError('x is not a function'), { PORTCULLIS_DEBUG: '1' });
  assert.equal(exitCode, 1);
  assert.match(
    said,
    /^portcullis: this is a defect in Portcullis: x is not a function\nTypeError: x is not a function\n +at /,
  );
});

function reported(fault: unknown, env: NodeJS.ProcessEnv): [exitCode: number, said: string] {
  const said: string[] = [];
  const stderr = new Writable({ write: (chunk, _encoding, done) => (said.push(String(chunk)), done()) });
  const terminal = new Terminal({ stdout: stderr, stderr } as unknown as Pick<Host, 'stdout' | 'stderr'>);
  const exitCode = reportFault(terminal, fault, env);
  return [exitCode, said.join('')];
}
