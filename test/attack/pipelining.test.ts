// Requests behind one another on one connection: each answer is its own request's, whatever is refused in between and
// whatever bodies are left unread.
import assert from 'node:assert/strict';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { KEYS, HOST } from './harness/arena.ts';
import { bodiesOf, lineAndBody, SMUGGLED } from './harness/cases.ts';
import { handshake, request } from './harness/ways.ts';

const NO_KEY = `Host: ${HOST}\r\n\r\n`;

/** A request that is let through and answered with its own line. */
function good(name: string, method = 'GET', fields = ''): string {
  return request(`/open/${name}`, { method, fields });
}

/** A request with a body that looks like another one. */
function hiding(target: string, method = 'POST', fields = ''): string {
  return request(target, { method, fields: `${fields}Content-Length: ${SMUGGLED.length}\r\n` }) + SMUGGLED;
}

function keyless(target: string, method: string, fields: string, body: string): string {
  return `${method} ${target} HTTP/1.1\r\nHost: ${HOST}\r\n${fields}\r\n${body}`;
}

const LENGTH = `Content-Length: ${SMUGGLED.length}\r\n`;
const CHUNKS = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
const DESYNC = 'PortSwigger 2022, Browser-Powered Desync Attacks';
const UNREAD = 'RFC 9112 section 9.6; CVE-2025-4366 (Pingora)';
const POLICY = 'HAProxy and nginx stand here without keys: they forward what ours refuses.';

const known: KnownCase[] = [
  {
    name: 'two requests',
    source: 'RFC 9112 section 9.3.2',
    bytes: good('a') + good('b'),
    answers: [200, 200],
    sees: ['GET /open/a', 'GET /open/b'],
  },
  {
    name: 'a refused one between two good ones',
    source: 'RFC 9112 section 9.3.2',
    bytes: `${good('a')}GET /open/b HTTP/1.1\r\n${NO_KEY}${good('c')}`,
    answers: [200, 401, 200],
    sees: ['GET /open/a', 'GET /open/c'],
    why: POLICY,
  },
  {
    name: 'refusals of every kind between good ones',
    source: 'RFC 9112 section 9.3.2',
    bytes: `${request('/nowhere')}${good('a')}${request('/admin/a')}${good('b', 'TRACE')}${good('c')}`,
    answers: [404, 200, 403, 405, 200],
    sees: ['GET /open/a', 'GET /open/c'],
    why: POLICY,
  },
  {
    name: 'fifty requests in one write',
    source: 'RFC 9112 section 9.3.2',
    bytes: Array.from({ length: 50 }, (_, at) => good(`n${at}`)).join(''),
    answers: Array.from({ length: 50 }, () => 200),
    sees: Array.from({ length: 50 }, (_, at) => `GET /open/n${at}`),
  },
  {
    name: 'an unread body behind 401',
    source: `${DESYNC} (CL.0)`,
    bytes: keyless('/open/a', 'POST', LENGTH, SMUGGLED) + good('b'),
    answers: [401, 200],
    sees: ['GET /open/b'],
    why: POLICY,
  },
  {
    name: 'an unread body behind 403',
    source: `${DESYNC} (CL.0)`,
    bytes: hiding('/admin/a') + good('b'),
    answers: [403, 200],
    sees: ['GET /open/b'],
  },
  {
    name: 'an unread body behind 404',
    source: `${DESYNC} (CL.0)`,
    bytes: hiding('/nowhere') + good('b'),
    answers: [404, 200],
    sees: ['GET /open/b'],
    why: POLICY,
  },
  {
    name: 'an unread body behind 405',
    source: `${DESYNC} (CL.0)`,
    bytes: hiding('/open/a', 'TRACE') + good('b'),
    answers: [405, 200],
    sees: ['GET /open/b'],
    why: POLICY,
  },
  {
    name: 'an unread body of 100 KiB of requests behind 403',
    source: UNREAD,
    bytes: `${request('/admin/a', { method: 'POST', fields: 'Content-Length: 102400\r\n' })}${SMUGGLED.repeat(1500).slice(0, 102_400)}${good('b')}`,
    answers: [403],
    why: 'A body too long to be read away ends the connection; what stands behind it is not read as requests.',
  },
  {
    name: 'an unread chunked body behind 403',
    source: UNREAD,
    bytes: request('/admin/a', { method: 'POST', fields: 'Transfer-Encoding: chunked\r\n' }) + CHUNKS + good('b'),
    answers: [403],
    why: 'A body whose length is not known ends the connection; what stands behind it is not read as requests.',
  },
  {
    name: 'a body beyond maxBody',
    source: UNREAD,
    bytes: `${request('/open/a', { method: 'POST', fields: 'Content-Length: 65537\r\n' })}${SMUGGLED.repeat(1000).slice(0, 65_537)}${good('b')}`,
    answers: [413],
    why: 'The route takes bodies of up to 64 KiB; for the others no such bound was set.',
  },
  {
    name: 'a GET whose body is a request, and another behind it',
    source: `${DESYNC} (CL.0)`,
    bytes: hiding('/open/a', 'GET') + good('b'),
    answers: [200, 200],
    sees: ['GET /open/a', 'GET /open/b'],
    check: (seen) => assert.deepEqual(bodiesOf(seen), [SMUGGLED, '']),
  },
  {
    name: 'a HEAD whose body is a request, and another behind it',
    source: `${DESYNC}; RFC 9112 section 6.3`,
    bytes: hiding('/open/a', 'HEAD') + good('b'),
    answers: [200, 200],
    toHead: [0],
    sees: ['HEAD /open/a', 'GET /open/b'],
    check: (seen) => assert.deepEqual(bodiesOf(seen), [SMUGGLED, '']),
  },
  {
    name: 'a HEAD that is refused, and another behind it',
    source: 'PortSwigger 2021, HTTP/2: the sequel is always worse (response queue)',
    bytes: `HEAD /open/a HTTP/1.1\r\n${NO_KEY}${good('b')}`,
    answers: [401, 200],
    toHead: [0],
    sees: ['GET /open/b'],
    why: POLICY,
  },
  {
    name: 'a 100 Continue in between',
    source: 'RFC 9110 section 10.1.1',
    bytes: `${good('a')}${good('b', 'POST', 'Expect: 100-continue\r\nContent-Length: 5\r\n')}hello${good('c')}`,
    answers: [200, 200, 200],
    interim: [100],
    sees: ['GET /open/a', 'POST /open/b', 'GET /open/c'],
  },
  {
    name: 'what is no request behind a good one',
    source: 'PortSwigger 2021, HTTP/2: the sequel is always worse (response queue)',
    bytes: `${good('a')}\0\r\n\r\n${good('b')}`,
    answers: [200, 400],
    sees: ['GET /open/a'],
  },
  {
    name: 'requests behind one that closes',
    source: 'RFC 9112 section 9.6',
    bytes: good('a', 'GET', 'Connection: close\r\n') + good('b') + SMUGGLED,
    answers: [200],
    sees: ['GET /open/a'],
  },
  {
    name: 'requests behind one of HTTP/1.0',
    source: 'RFC 9112 section 9.3',
    bytes: `GET /open/a HTTP/1.0\r\nHost: ${HOST}\r\nx-api-key: ${KEYS.reader}\r\n\r\n${good('b')}`,
    answers: [200],
    sees: ['GET /open/a'],
    why: 'The version is that of the hop (RFC 9110 section 2.5): ours is always 1.1 upstream.',
  },
  {
    name: 'a request whose body is cut, and another as its rest',
    source: 'PortSwigger 2022 (pause-based desync)',
    bytes: good('a', 'POST', 'Content-Length: 400\r\n') + SMUGGLED,
    answers: [],
    sees: ['POST /open/a'],
    check: (seen) => assert.deepEqual(bodiesOf(seen), [undefined]),
  },
];

/** Lines of requests to /open in a case, in order: only bodies of ours hold others. */
function asked(bytes: string): string[] {
  return [...bytes.matchAll(/(?:GET|POST|PUT) \/open\/n\d+(?= HTTP)/g)].map(([line]) => line);
}

attackClass({
  name: 'pipelining and unread bodies',
  why: 'A body that nobody reads is read away or ends the connection; no byte of it is ever looked at as a request.',
  compares: lineAndBody,
  known,
  checkGenerated: (bytes, { statuses, bodies }) => {
    const answered = bodies.filter((body, at) => statuses[at] === 200 && body !== '' && body !== 'GET /open/next');
    assert.deepEqual(answered, asked(bytes).slice(0, answered.length), 'answers in another order than their requests');
  },
  generate: ({ below }) => {
    let bytes = '';
    for (let count = 1 + below(6), at = 0; at < count; at += 1) {
      const method = ['GET', 'POST', 'PUT'][below(3)] ?? 'GET';
      const name = `n${at}`;
      bytes += [
        good(name, method, method === 'GET' ? '' : 'Content-Length: 0\r\n'),
        good(name),
        hiding(`/open/${name}`, method),
        hiding('/admin/a', method),
        hiding('/nowhere', method),
        good(name, method, 'Transfer-Encoding: chunked\r\n') + CHUNKS,
        request('/admin/a', { method, fields: 'Transfer-Encoding: chunked\r\n' }) + CHUNKS,
        keyless('/open/a', method, LENGTH, SMUGGLED),
        keyless('/open/a', method, 'Transfer-Encoding: chunked\r\n', CHUNKS),
        good(name, method, 'Expect: 100-continue\r\nContent-Length: 5\r\n') + 'hello',
        request('/admin/a', { method, fields: `Expect: 100-continue\r\n${LENGTH}` }) + SMUGGLED,
        good(name, 'GET', below(4) === 0 ? 'Connection: close\r\n' : ''),
        below(4) === 0 ? handshake('/socket/tunnel') : good(name),
        below(8) === 0 ? 'GET\r\n\r\n' : '\r\n',
      ][below(14)];
    }
    return bytes;
  },
});
