// Fields and parameters by which frameworks let one method pass for another: what the gateway authorises by method must
// be what the application acts on.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { KEYS } from './harness/arena.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { request } from './harness/ways.ts';

const NAMES = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'];

const ODD_METHODS = [
  'TRACE',
  'TRACK',
  'DEBUG',
  'get',
  'Post',
  'PROPFIND',
  'SEARCH',
  'QUERY',
  'M-SEARCH',
  'PRI',
  'GET\0',
  '*',
  'CONNECT',
];

function refused(method: string, source: string, status: number): KnownCase {
  return {
    name: `the method ${JSON.stringify(method)}`,
    source,
    bytes: request('/open/a', { method }),
    answers: [status],
    // The parser ends at the first letter that no method has; the rest of the line is not there yet.
    inPieces: [400],
  };
}

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
  known: [
    ...NAMES.map((name) => ({
      name: `${name}: DELETE`,
      source: 'Express method-override, OWASP WSTG-CONF-06',
      bytes: request('/open/a', { method: 'POST', fields: `${name}: DELETE\r\nContent-Length: 0\r\n` }),
      answers: [200],
      sees: ['POST /open/a'],
      check: withoutOverride,
    })),
    ...['x_http_method_override', 'X.HTTP.Method', 'X-Original-Method'].map((name) => ({
      name: `${name}: DELETE`,
      source: 'RFC 3875 section 4.1.18',
      bytes: request('/open/a', { method: 'POST', fields: `${name}: DELETE\r\nContent-Length: 0\r\n` }),
      answers: [200],
      sees: ['POST /open/a'],
      check: withoutOverride,
    })),
    {
      // A parameter or body field is the application's own, as is every other: it stays byte for byte.
      name: '_method in the query',
      source: 'Rack MethodOverride, Symfony http_method_override',
      bytes: request('/open/a?_method=DELETE', { method: 'POST', fields: 'Content-Length: 0\r\n' }),
      answers: [200],
      sees: ['POST /open/a?_method=DELETE'],
    },
    refused('TRACE', 'RFC 9110 section 9.3.8', 405),
    refused('TRACK', 'Microsoft IIS, CVE-2003-1567', 405),
    refused('DEBUG', 'Microsoft ASP.NET, HTTP DEBUG', 405),
    refused('PROPFIND', 'RFC 4918 section 9.1', 405),
    refused('PURGE', 'Varnish, purging', 405),
    refused('PRI', 'RFC 9113 section 3.4', 400),
    refused('get', 'RFC 9110 section 9.1', 405),
    refused('Get', 'RFC 9110 section 9.1', 405),
    refused('GETGET', 'RFC 9110 section 9.1', 405),
    refused('G\0ET', 'RFC 9110 section 5.6.2', 400),
    refused('GET\t', 'RFC 9112 section 3', 400),
    refused(' GET', 'RFC 9112 section 3', 400),
    refused('"GET"', 'RFC 9110 section 5.6.2', 400),
    refused('G\xcbT', 'RFC 9110 section 5.6.2', 400),
    refused('', 'RFC 9112 section 3', 400),
    {
      name: 'CONNECT to the upstream',
      source: 'RFC 9110 section 9.3.6',
      bytes: `CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\nx-api-key: ${KEYS.reader}\r\n\r\n`,
      answers: [405],
    },
    {
      name: 'CONNECT with a path',
      source: 'RFC 9112 section 3.2.3',
      bytes: request('/open/a', { method: 'CONNECT' }),
      answers: [405],
    },
  ],
  generate: ({ below }) => {
    const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
    const name = [...any(NAMES)]
      .map((letter) =>
        below(2) ? letter.toUpperCase() : letter === '-' && below(3) === 0 ? any(['_', '.']) : letter.toLowerCase(),
      )
      .join('');
    const value = any(['DELETE', 'delete', 'PUT', 'TRACE', 'CONNECT', 'GET, DELETE', '']);
    const method = below(3) ? any(['GET', 'POST', 'HEAD']) : any(ODD_METHODS) + any(['', '', 'X', ' ', '-', '\xa0']);
    return request(any(['/open/a', '/open/a?_method=DELETE', '/admin/a']), { method, fields: `${name}: ${value}\r\n` });
  },
});
