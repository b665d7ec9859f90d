// Fields and parameters by which frameworks let one method pass for another: what the gateway authorises by method must
// be what the application acts on.
import assert from 'node:assert/strict';
import { attackClass } from './harness/attack-class.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { request } from './harness/ways.ts';

const NAMES = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'];

function withoutOverride(seen: readonly SeenRequest[]): void {
  for (const { fields } of seen) {
    const left = fields.filter(([name]) => /method/i.test(name));
    assert.deepEqual(left, [], 'a field that overrides the method');
  }
}

attackClass({
  name: 'method override',
  why: 'Frameworks (Express method-override, Rack, Symfony, ASP.NET) act on these fields; what was authorised is the method of the request line.',
  compares: ({ method, fields }) =>
    [method, ...fields.filter(([name]) => /method/i.test(name)).map((field) => field.join(': '))].join(' with '),
  known: NAMES.map((name) => ({
    name: `${name}: DELETE`,
    source: 'Express method-override, OWASP WSTG-CONF-06',
    bytes: request('/open/a', { method: 'POST', fields: `${name}: DELETE\r\nContent-Length: 0\r\n` }),
    answers: [200],
    sees: ['POST /open/a'],
    check: withoutOverride,
  })),
  generate: ({ below }) => {
    const letters = [...(NAMES[below(NAMES.length)] ?? '')];
    const name = letters
      .map((letter) =>
        below(2) ? letter.toUpperCase() : letter === '-' && below(3) === 0 ? '_' : letter.toLowerCase(),
      )
      .join('');
    const method = ['DELETE', 'delete', 'PUT', 'TRACE', 'CONNECT', 'GET, DELETE', ''][below(7)];
    return request('/open/a', { method: ['GET', 'POST', 'HEAD'][below(3)] ?? 'GET', fields: `${name}: ${method}\r\n` });
  },
});
