// Forwarding and nothing else: the floor that the whole job stands on, and no stack at all.
import { startNginx, upstreamBlock } from '../nginx.ts';
import { missingProgram } from '../programs.ts';
import type { Stack } from '../stack.ts';
import { startHaproxy } from './haproxy.ts';

export const nginxPlain: Stack = {
  name: 'nginx-plain',
  title: 'nginx, plain proxy',
  job: 'plain',
  missing: () => missingProgram('nginx', 'nginx-light'),
  start: async ({ session, upstream }) => {
    const nginx = await startNginx(session, 'plain', {
      http: upstreamBlock(upstream),
      server: 'location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }',
    });
    return { port: nginx.port, pids: [nginx.pid], storePids: [], stop: nginx.stop };
  },
};

export const haproxyPlain: Stack = {
  name: 'haproxy-plain',
  title: 'HAProxy, plain proxy',
  job: 'plain',
  missing: () => missingProgram('haproxy'),
  start: (scene) => startHaproxy(scene, '', ''),
};

/** The upstream itself. */
export const direct: Stack = {
  name: 'direct',
  title: 'nothing between',
  job: 'plain',
  missing: () => undefined,
  start: ({ upstream }) => Promise.resolve({ port: upstream, pids: [], storePids: [], stop: () => Promise.resolve() }),
};
