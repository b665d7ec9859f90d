// Hosts and ports in one spelling only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHostName, parseHost, parseHostPort } from '../../src/core/host-port.ts';

test('host:port is a name, an IPv4 address or an IPv6 address in brackets, and a port', () => {
  assert.deepEqual(parseHostPort('127.0.0.1:8080'), { ok: true, host: '127.0.0.1', port: 8080 });
  assert.deepEqual(parseHostPort('[::1]:0'), { ok: true, host: '::1', port: 0 });
  assert.deepEqual(parseHostPort('Gateway.internal:65535'), { ok: true, host: 'gateway.internal', port: 65_535 });
});

test('anything else is refused with the cure', () => {
  const refused: readonly [text: string, problem: RegExp][] = [
    ['127.0.0.1', /has no port/],
    ['8080', /has no port/],
    [':8080', /has no host; write 127\.0\.0\.1:8080/],
    ['a:65536', /ports are 0 to 65535/],
    ['a:080', /ports are 0 to 65535/],
    ['::1:80', /write \[::1\]:80/],
    ['[127.0.0.1]:80', /neither a name nor an address/],
    ['[fe80::1%lo]:80', /neither a name nor an address/],
    ['010.0.0.1:80', /neither a name nor an address/],
    ['1.2:80', /neither a name nor an address/],
    ['a b:80', /neither a name nor an address/],
    ['user@a:80', /neither a name nor an address/],
  ];
  for (const [text, problem] of refused) {
    const parsed = parseHostPort(text);
    assert.ok(!parsed.ok, `${text} was taken`);
    assert.match(parsed.problem, problem);
  }
});

test('a host name has one spelling', () => {
  for (const host of ['localhost', 'a.example.com', 'xn--caf-dma.example', 'my_service'])
    assert.ok(isHostName(host), host);
  for (const host of ['', '.', 'a.', '-a', 'a..b', 'A', 'a:1', '1.2.3.4', '1', 'é', 'a'.repeat(64)])
    assert.ok(!isHostName(host), host);
  assert.equal(parseHost('10.1'), undefined);
});
