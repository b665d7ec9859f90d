import assert from 'node:assert/strict';
import dns, { type LookupAddress } from 'node:dns';
import { after, describe, mock, test } from 'node:test';
import { Connections } from '../../src/wire/connections.ts';
import { answering, plainAnswer } from '../support/recording-upstream.ts';
import { sendingOver, startUpstreamCaller } from '../support/upstream-caller.ts';

/** Nothing listens at the others. */
const ADDRESSES: readonly LookupAddress[] = ['127.0.0.9', '127.0.0.8', '127.0.0.1'].map((address) => ({
  address,
  family: 4,
}));

const NAME = 'several.test';
const LOOKUP = dns.lookup;

type Done = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

describe('a host of several addresses, of which only the last answers', () => {
  const lookup = mock.method(dns, 'lookup', (host: string, options: dns.LookupAllOptions, done: Done) => {
    if (host === NAME) process.nextTick(done, null, ADDRESSES);
    else LOOKUP(host, options, done);
  });
  after(() => lookup.mock.restore());

  test("gives its own answers, and never what was read for another's request", async () => {
    const one = await startUpstreamCaller(answering(plainAnswer('for one alone')));
    const other = await startUpstreamCaller(answering(plainAnswer('of the others')));
    const connections = new Connections(other.upstream.origin.replace('127.0.0.1', NAME), other.limits);
    try {
      for (let count = 0; count < 3; count++) {
        assert.equal((await one.ask()).body, 'for one alone');
        const { body, failure } = await sendingOver(connections)();
        assert.deepEqual({ body, failure }, { body: 'of the others', failure: null });
      }
      assert.equal(other.upstream.connections.length, 1);
    } finally {
      await one.close();
      await other.close();
      await connections.close();
    }
  });
});
