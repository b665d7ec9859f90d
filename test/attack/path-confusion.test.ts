// Spellings of a path that two readers take for two paths: what is matched and authorised must be what the upstream
// gets, so a target with more than one reading is refused, and nothing is repaired on the way.
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import { HOST, KEYS } from './harness/arena.ts';
import { request } from './harness/ways.ts';

const PARSER_LOGIC = 'Orange Tsai, Breaking Parser Logic, Black Hat USA 2018';
const CASES = 'RFC 3986 section 6.2.2';

/** A target that is refused. */
function refused(target: string, source: string, answers: readonly number[] = [400]): KnownCase {
  return { name: JSON.stringify(target), source, bytes: request(target), answers };
}

/** A target with one reading, which is the one that the upstream gets. */
function passes(target: string, source: string, sent = target): KnownCase {
  return { name: JSON.stringify(target), source, bytes: request(target), answers: [200], sees: [`GET ${sent}`] };
}

const BEGINNINGS = [
  '/open/',
  '/public/',
  '/open/a/',
  '/',
  '//',
  `http://${HOST}/`,
  `http://root@${HOST}/`,
  '/OPEN/',
  '',
];
const STEPS = [
  '..',
  '.',
  '%2e%2e',
  '%2E.',
  '.%2e',
  '%252e%252e',
  '%25%32%65%2e',
  '..;',
  '..;a=b',
  ';',
  '..%00',
  '..%0d%0a',
  '..%20',
  '.. ',
  '...',
  '..\\',
  '%c0%ae%c0%ae',
  '%e0%80%ae.',
  '%f0%80%80%ae.',
  '\xc0\xae\xc0\xae',
  '%ef%bc%8e%ef%bc%8e',
  '\xef\xbc\x8e\xef\xbc\x8e',
  '%u002e%u002e',
  '%uff0e',
  '%e2%80%a4%e2%80%a4',
  '..#',
  '..?',
  '..%3f',
  '..%23',
  '%',
  '%2',
  '%zz',
  '%2e%2e%2f',
  '..%5c',
  '*',
  'a',
  'admin',
];
const SEPARATORS = [
  '/',
  '/',
  '/',
  '//',
  '/./',
  '%2f',
  '%2F',
  '%5c',
  '\\',
  '%252f',
  '%c0%af',
  '%ef%bc%8f',
  ';/',
  '/;',
  '?/',
  '#/',
];
const ENDS = [
  'admin',
  'admin/a',
  'ADMIN',
  'Admin/a',
  '%61dmin',
  'adm%69n/a',
  '%2561dmin',
  'admin;a',
  'admin%20',
  'admin.',
  'admin%00',
  'admin?',
  'a',
];

attackClass({
  name: 'path confusion',
  why: 'A path with dot segments, doubled, encoded or back slashes, parameters, fragments or broken encodings is read in one way here and in another behind; it is refused (SPEC section 4.1).',
  known: [
    refused('/open/../admin', 'CVE-2019-9901 (Envoy)'),
    refused('/public/../admin/a', 'CVE-2026-42274 (heimdall)'),
    refused('/public/%2e%2e/admin', 'CVE-2026-42274 (heimdall)'),
    refused('/open%2f..%2fadmin', 'CVE-2026-42272 (heimdall)'),
    refused('/open/..%5Cadmin', 'CVE-2021-29492 (Envoy)'),
    refused('//admin', 'CVE-2021-29492 (Envoy)'),
    refused('//admin/secret', 'CVE-2026-26205 (OPA Envoy plugin)'),
    refused('//open/a', 'CVE-2021-43557 (Apache APISIX)'),
    refused('/open/a#/../../admin', 'CVE-2021-32779 (Envoy)'),
    refused('/public/secret%23/bar#', 'CVE-2026-41059 (oauth2-proxy)'),
    refused('/public../admin', 'CVE-2026-48020 (Traefik)', [404]),
    refused('/public%2e%2e/admin', 'CVE-2026-48020 (Traefik)', [404]),
    refused('/open%2e/../admin', 'CVE-2026-40912 (Traefik)'),
    refused('/open/a%2Fadmin', 'CVE-2025-66490 (Traefik)'),
    passes('/open/%2561dmin', 'CVE-2012-6431 (Symfony)'),
    passes('/open/%252e%252e/admin', 'CVE-2012-6431 (Symfony)', '/open/%252e%252e/admin'),
    passes('/open/a%3Fadmin', 'CVE-2026-32811 (heimdall)'),
    passes('/open/a?/admin/../..//', 'GHSA-7rh7-c77v-6434 (oauth2-proxy)'),
    refused('/open/..;/admin', PARSER_LOGIC),
    refused('/open/a;jsessionid=1/../../admin', PARSER_LOGIC),
    refused('/open\\..\\admin', PARSER_LOGIC),
    refused('/open../admin', `${PARSER_LOGIC} (nginx, a location without its slash)`, [404]),
    refused('/open/./a', CASES),
    refused('/open//a', CASES),
    refused('/open/%00', 'CVE-2019-9900 (Envoy), of a path'),
    refused('/open/a%0d%0aX-Consumer-Id:%20root', 'CWE-93'),
    refused('/open/%c0%ae%c0%ae/admin', 'RFC 3629 section 10'),
    refused('/open/\xc0\xae\xc0\xae/admin', 'RFC 3629 section 10'),
    refused('/open/\xc3\xa9', 'RFC 3986 section 2.1'),
    refused('/open/%u002e%u002e/admin', 'RFC 3986 section 2.1'),
    refused('/open/%2', 'RFC 3986 section 2.1'),
    passes('/open/%ef%bc%8e%ef%bc%8e/%EF%BC%8Fadmin', 'UTS 39, confusables', '/open/%EF%BC%8E%EF%BC%8E/%EF%BC%8Fadmin'),
    passes('/%6Fpen/%61%7E', CASES, '/open/a~'),
    refused('/%61dmin/a', CASES, [403]),
    refused('/ADMIN/a', CASES, [404]),
    refused('/admin./a', 'CWE-46', [404]),
    refused('/admin%20/a', 'CWE-46', [404]),
    refused(`http://${HOST}/admin/a`, 'RFC 9112 section 3.2.2', [403]),
    refused('http://other.test/open/a', 'RFC 9112 section 3.2.2'),
    refused(`http://root@${HOST}/open/a`, 'RFC 9110 section 4.2.4'),
    refused(`http://${HOST}@other.test/open/a`, 'RFC 9110 section 4.2.4'),
    refused(`http:///open/a`, 'RFC 9112 section 3.2.2'),
    refused(`ftp://${HOST}/open/a`, 'RFC 9112 section 3.2.2'),
    passes(`http://${HOST}/open/a`, 'RFC 9112 section 3.2.2', '/open/a'),
    refused('*', 'RFC 9112 section 3.2.4'),
    refused('', 'RFC 9112 section 3'),
    refused('open/a', 'RFC 9112 section 3.2'),
    refused('?/open/a', 'RFC 9112 section 3.2'),
    refused(`/open/${'a'.repeat(9 * 1024)}`, 'RFC 9110 section 4.1', [414]),
    {
      name: 'a target with a space in it',
      source: 'RFC 9112 section 3.2',
      bytes: `GET /open/a /admin HTTP/1.1\r\nHost: ${HOST}\r\nx-api-key: ${KEYS.reader}\r\n\r\n`,
      answers: [400],
    },
  ],
  generate: ({ below }) => {
    const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
    let target = any(BEGINNINGS);
    for (let steps = below(4); steps > 0; steps -= 1) target += any(STEPS) + any(SEPARATORS);
    target += any(ENDS);
    if (below(6) === 0)
      target += any(['?a=%2e%2e', '?../admin', '?a#b', '?\\', '?%', '??', '/?', '?%c0%ae', '?a=%41&%2f']);
    return request(target, { method: any(['GET', 'GET', 'HEAD', 'POST', 'OPTIONS', 'TRACE']) });
  },
});
