// HAProxy doing the whole job, which is what Portcullis is held against: the key's SHA-256 looked up in a map,
// an address list, two counters a key, identity headers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALLOWED, LIMITS, SCOPE, TINY_LIMIT } from '../keys.ts';
import { freePort, listens, untilUp } from '../ports.ts';
import { missingProgram } from '../programs.ts';
import type { RunningStack, Scene, Stack } from '../stack.ts';

export const haproxy: Stack = {
  name: 'haproxy',
  title: 'HAProxy, the whole job',
  job: 'whole',
  missing: () => missingProgram('haproxy'),
  start: (scene) => {
    const files = scene.session.newFolder('haproxy-lists');
    const keys = join(files, 'keys.map');
    const addresses = join(files, 'addresses.lst');
    writeFileSync(
      keys,
      scene.keys.all.map((key) => `${key.sha256} ${key.id}|${key.owner}|${key.scope}|${key.plan}\n`).join(''),
    );
    writeFileSync(addresses, `${ALLOWED.join('\n')}\n`);
    return startHaproxy(scene, rules(keys, addresses), TABLES);
  },
};

export const haproxyClosing: Stack = {
  ...haproxy,
  name: 'haproxy-close',
  title: 'HAProxy, the whole job, a connection a request',
  isClosing: true,
};

function rules(keys: string, addresses: string): string {
  return `
  http-request deny status 403 unless { src -f ${addresses} }
  http-request set-var(txn.key) req.hdr(x-api-key),sha2(256),hex,lower,map(${keys})
  http-request deny status 401 unless { var(txn.key) -m found }
  http-request set-var(txn.id) var(txn.key),field(1,|)
  http-request deny status 403 unless { var(txn.key),field(3,|) -m str ${SCOPE} }
  http-request track-sc0 var(txn.id) table minute
  http-request track-sc1 var(txn.id) table day
  http-request deny status 429 if { sc_http_req_rate(0) gt ${LIMITS.aMinute} } or { sc_http_req_rate(1) gt ${LIMITS.aDay} }
  http-request deny status 429 if { var(txn.key),field(4,|) -m str tiny } { sc_http_req_rate(0) gt ${TINY_LIMIT} }
  http-request set-header X-Consumer-Id %[var(txn.key),field(2,|)]
  http-request set-header X-Credential-Identifier %[var(txn.id)]
  http-request set-header X-Authenticated-Scope %[var(txn.key),field(3,|)]
  http-request del-header X-Api-Key
`;
}

const TABLES = `
backend minute
  stick-table type string len 64 size 100k expire 2m store http_req_rate(1m)
backend day
  stick-table type string len 64 size 100k expire 2d store http_req_rate(1d)
`;

/** @param inFront lines of the frontend @param behind further sections */
export async function startHaproxy(
  { session, upstream }: Scene,
  inFront: string,
  behind: string,
): Promise<RunningStack> {
  const port = await freePort();
  const file = join(session.newFolder('haproxy'), 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
frontend front
  bind 127.0.0.1:${port} backlog 4096
${inFront}
  default_backend up
backend up
  http-reuse always
  server up 127.0.0.1:${upstream}
${behind}`,
  );
  const child = session.spawn('haproxy', ['-db', '-q', '-f', file]);
  await untilUp(child, 'haproxy', () => listens(port));
  return { port, pids: [child.pid!], storePids: [], stop: () => session.end(child) };
}
