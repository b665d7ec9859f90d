// Whose request it is, said in several places: Host, an absolute target, and fields that some servers prefer to both.
// A route of one host must neither be reached nor evaded by how the host is spelled.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, KEYS } from './harness/arena.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { valuesOf } from './harness/strict-requests.ts';

/** Under this path, these hosts are for admins alone; any other host is open to readers. */
const HOSTED = '/open/hosted/a';
const ADMIN = 'admin.test';
const ADMIN_HOSTS = [ADMIN, 'one.inner.test', 'a.b.inner.test'];
const IS_ADMIN = /^(?:admin\.test|.+\.inner\.test)\.?(?::\d*)?$/i;

function hosted(host: string, target = HOSTED, fields = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${KEYS.reader}\r\n${fields}\r\n`;
}

/** No request under the hosted path has a host whose route it should have met. */
function keepsHosts(seen: readonly SeenRequest[]): void {
  for (const { target, fields } of seen) {
    if (!target.startsWith('/open/hosted')) continue;
    const host = valuesOf(fields, 'x-forwarded-host').join();
    assert.doesNotMatch(host, IS_ADMIN);
    const misleading = fields.filter(([name]) =>
      /^(?:x-host|forwarded|x-http-host-override|x-original-host)$/i.test(name),
    );
    assert.deepEqual(misleading, [], 'a field that speaks for Host');
  }
}

function denied(host: string, source: string, target?: string): KnownCase {
  return {
    name: `Host ${JSON.stringify(host)}${target ? ` for ${target}` : ''}`,
    source,
    bytes: hosted(host, target),
    answers: [403],
  };
}

function refused(host: string, source: string, target?: string): KnownCase {
  return { ...denied(host, source, target), answers: [400] };
}

function other(host: string, source: string): KnownCase {
  return { ...denied(host, source), answers: [200], sees: [`GET ${HOSTED}`] };
}

/** A field that some servers believe in place of Host, on a host that is anybody's. */
function spoofed(line: string, source: string): KnownCase {
  return {
    name: JSON.stringify(line),
    source,
    bytes: hosted(HOST, HOSTED, `${line}\r\n`),
    answers: [200],
    sees: [`GET ${HOSTED}`],
    check: (seen) => {
      const told = seen.flatMap(({ fields }) => fields.filter(([, value]) => value.includes(ADMIN)));
      assert.deepEqual(told, [], 'a host that the client made up');
    },
  };
}

const HOST_HEADER = 'PortSwigger, HTTP Host header attacks';
const HOST_FIELD = 'RFC 9112 section 3.2';
const CACHE = 'James Kettle, Practical web cache poisoning, 2018';

const ODD = [
  '.',
  '..',
  '-',
  '_',
  '%2e',
  '%61',
  '\0',
  ' ',
  '\t',
  ':',
  '/',
  '\\',
  ',',
  ';',
  '\xad',
  '\xe3\x80\x82',
  '\xc4\xb1',
];
const ENDS = [
  '',
  '',
  '',
  '.',
  ':',
  ':80',
  '.:443',
  ':080',
  ':0',
  ':65535',
  ':65536',
  ':99999',
  ':+80',
  ': 80',
  ':80:80',
  '..',
  '/',
  '?',
  '#',
  ' ',
  '\xa0',
  ',',
  '\0',
];

attackClass({
  name: 'Host and authority confusion',
  why: 'RFC 9112 section 3.2 asks for one valid Host, which an absolute target has to agree with; Portcullis refuses the rest and sends the upstream an authority of its own as Host.',
  settings: {
    routes: {
      hosted: {
        path: '/open/hosted/**',
        hosts: [ADMIN, '*.inner.test'],
        upstream: 'main',
        scopes: ['admin:write'],
      },
    },
  },
  rules: { forwardedHost: /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/ },
  compares: ({ target, fields }) =>
    `${target} for ${valuesOf(fields, 'x-forwarded-host').concat(valuesOf(fields, 'host')).join(' and ')}`,
  check: keepsHosts,
  known: [
    denied(ADMIN, HOST_FIELD),
    denied('ADMIN.Test', 'RFC 3986 section 3.2.2'),
    denied('admin.test.', 'RFC 1034 section 3.1'),
    denied('admin.test:80', 'RFC 9110 section 7.2'),
    denied('admin.test:8443', 'RFC 9110 section 7.2'),
    refused('admin.test:', 'RFC 3986 section 3.2.3'),
    denied('admin.test.:00080', 'RFC 3986 section 3.2.3'),
    denied('one.inner.test', 'RFC 9110 section 7.2'),
    denied('A.B.INNER.TEST.', 'RFC 9110 section 7.2'),
    other('eviladmin.test', 'CVE-2026-55602 (http-proxy-middleware)'),
    other('admin.test.evil.test', 'CVE-2026-55602 (http-proxy-middleware)'),
    other('inner.test', 'RFC 6125 section 6.4.3'),
    other('xinner.test', 'RFC 6125 section 6.4.3'),
    other('[::1]:80', 'RFC 3986 section 3.2.2'),
    refused('', HOST_FIELD),
    refused('admin.test..', 'RFC 1034 section 3.1'),
    refused('admin..test', 'RFC 1034 section 3.1'),
    refused('127.1', 'RFC 6943 section 3.1.1'),
    refused('0127.0.0.1', 'CVE-2021-28918 (netmask)'),
    refused('[:1]', 'RFC 3986 section 3.2.2'),
    refused('.admin.test', 'RFC 1034 section 3.1'),
    refused('admin.test/open', HOST_HEADER),
    refused('gateway.test@admin.test', HOST_HEADER),
    refused('gateway.test:80@admin.test', HOST_HEADER),
    refused('gateway.test:admin.test', HOST_HEADER),
    refused('gateway.test:65536', HOST_HEADER),
    refused('gateway.test:-1', HOST_HEADER),
    refused('gateway.test:80:80', HOST_HEADER),
    refused('gateway.test, admin.test', HOST_HEADER),
    refused('gateway.test admin.test', HOST_HEADER),
    refused('gateway.test\tadmin.test', HOST_HEADER),
    refused('gateway.test#admin.test', HOST_HEADER),
    refused('gateway.test?admin.test', HOST_HEADER),
    refused('gateway.test\\admin.test', HOST_HEADER),
    refused('gateway.test%00', HOST_HEADER),
    refused('admin%2etest', 'RFC 3986 section 3.2.2'),
    refused('gateway.test\0', 'CVE-2019-9900 (Envoy)'),
    refused('\xa0admin.test', HOST_FIELD),
    refused('admin\xe3\x80\x82test', 'UTS 46 section 2.3, the ideographic full stop'),
    refused('\xef\xbd\x81dmin.test', 'UTS 46 section 4'),
    refused('[::1', 'RFC 3986 section 3.2.2'),
    refused('[fe80::1%25lo]', 'RFC 6874'),
    refused('::1', 'RFC 3986 section 3.2.2'),
    refused('[admin.test]', 'RFC 3986 section 3.2.2'),
    refused('http://admin.test', HOST_HEADER),
    denied(ADMIN, HOST_FIELD, `http://${ADMIN}${HOSTED}`),
    refused(HOST, 'RFC 9112 section 3.2.2', `http://${ADMIN}${HOSTED}`),
    refused(ADMIN, 'RFC 9112 section 3.2.2', `http://${HOST}${HOSTED}`),
    refused(ADMIN, 'RFC 9112 section 3.2.2', `http://${HOST}:80${HOSTED}`),
    refused(HOST, 'RFC 9112 section 3.2.2', `http://${HOST}#@${ADMIN}${HOSTED}`),
    {
      name: 'two Host fields',
      source: HOST_FIELD,
      bytes: hosted(HOST, HOSTED, `Host: ${ADMIN}\r\n`),
      answers: [400],
    },
    {
      name: 'two equal Host fields',
      source: HOST_FIELD,
      bytes: hosted(HOST, HOSTED, `host: ${HOST}\r\n`),
      answers: [400],
    },
    {
      name: 'a Host that is folded',
      source: HOST_HEADER,
      bytes: hosted(HOST, HOSTED, '').replace(`Host: ${HOST}`, `Host:\r\n ${ADMIN}`),
      answers: [400],
    },
    {
      name: 'a Host with a space before its colon',
      source: 'RFC 9112 section 5.1',
      bytes: hosted(HOST, HOSTED, `Host : ${ADMIN}\r\n`),
      answers: [400],
    },
    {
      name: 'no Host',
      source: HOST_FIELD,
      bytes: hosted(HOST).replace(`Host: ${HOST}\r\n`, ''),
      answers: [400],
    },
    {
      name: 'no Host in HTTP/1.0',
      source: HOST_FIELD,
      bytes: hosted(HOST).replace(`Host: ${HOST}\r\n`, '').replace('HTTP/1.1', 'HTTP/1.0'),
      answers: [400],
    },
    spoofed(`X-Forwarded-Host: ${ADMIN}`, CACHE),
    spoofed(`X-Forwarded-Server: ${ADMIN}`, HOST_HEADER),
    spoofed(`X_Forwarded_Host: ${ADMIN}`, 'CVE-2025-64484 (oauth2-proxy)'),
    spoofed(`X-Host: ${ADMIN}`, HOST_HEADER),
    spoofed(`X-HTTP-Host-Override: ${ADMIN}`, HOST_HEADER),
    spoofed(`X-Original-Host: ${ADMIN}`, HOST_HEADER),
    spoofed(`Forwarded: host=${ADMIN}`, 'RFC 7239 section 5.3'),
  ],
  generate: ({ below }) => {
    const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
    const spell = (host: string): string =>
      [...host].map((letter) => (below(3) ? letter : below(12) ? letter.toUpperCase() : any(ODD))).join('');
    const host = (): string =>
      any(['', '', '', 'a.', 'x', ' ', '@', 'a@', '.', '[', 'http://']) +
      spell(any([...ADMIN_HOSTS, ...ADMIN_HOSTS, HOST, '[::1]'])) +
      any(ENDS);
    const authority = host();
    const target = below(4)
      ? HOSTED
      : `${any(['http', 'HTTP', 'https', 'ws'])}://${below(2) ? authority : host()}${HOSTED}`;
    let fields = '';
    for (let count = below(3); count > 0; count -= 1)
      fields += `${any(['X-Forwarded-Host', 'X-Host', 'x_forwarded_host', 'Forwarded', 'Host', 'X-Original-Host', 'host '])}: ${host()}\r\n`;
    return hosted(authority, target, fields);
  },
});
