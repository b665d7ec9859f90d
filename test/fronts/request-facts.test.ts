// What a front is told of a connection before any request is read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcePrefix } from '../../src/core/address.ts';
import { peerOf } from '../../src/fronts/request-facts.ts';

test('a client on the same link is answered: Node names the interface behind its address, and that is no part of it', () => {
  const peer = peerOf({ remoteAddress: 'fe80::fc:ff:fe00:1%eth0' });
  assert.equal(peer?.text, 'fe80::fc:ff:fe00:1');
  assert.deepEqual(peer, peerOf({ remoteAddress: 'fe80::fc:ff:fe00:1' }));
  assert.equal(peer && sourcePrefix(peer), 'fe80000000000000/64');
});

test('an IPv4 client of a listener for both families has its IPv4 address', () => {
  assert.equal(peerOf({ remoteAddress: '::ffff:203.0.113.9' })?.text, '203.0.113.9');
});

test('of a connection that is gone, or that has no address, there is none', () => {
  assert.equal(peerOf({ remoteAddress: undefined }), undefined);
  assert.equal(peerOf({ remoteAddress: '' }), undefined);
});
