// Starts an nginx of the benchmark's own: one worker, nothing logged, all its files in a folder of the session.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, listens, untilUp } from './ports.ts';
import type { Session } from './session.ts';

export interface NginxOptions {
  /** Lines inside of `server`. */
  readonly server: string;
  /** Lines inside of `http`. */
  readonly http?: string;
  /** Lines at the top, such as `load_module`. */
  readonly top?: string;
}

export interface Nginx {
  readonly port: number;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Workers of root's nginx are nobody otherwise, who may not read the session's folder. */
const OWNER = process.getuid?.() === 0 ? 'user root; ' : '';

export async function startNginx(session: Session, name: string, options: NginxOptions): Promise<Nginx> {
  const home = session.newFolder(name);
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(home, kind)};`)
    .join(' ');
  const file = join(home, 'nginx.conf');
  writeFileSync(
    file,
    `${OWNER}daemon off; worker_processes 1; pid ${join(home, 'pid')}; error_log stderr crit;
${options.top ?? ''}
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; ${temporary}
  ${options.http ?? ''}
  server { listen 127.0.0.1:${port} backlog=4096; ${options.server} }
}
`,
  );
  const child = session.spawn('nginx', ['-p', home, '-e', 'stderr', '-c', file]);
  await untilUp(child, `nginx (${name})`, () => listens(port));
  return { port, pid: child.pid!, stop: () => session.end(child) };
}

/** Lines for `http`: kept-alive connections to a server. */
export function upstreamBlock(port: number): string {
  return `upstream up { server 127.0.0.1:${port}; keepalive 128; keepalive_requests 1000000000; }`;
}

/** nginx answering 200 bytes by itself: what all stacks stand in front of. */
export function startUpstream(session: Session): Promise<Nginx> {
  return startNginx(session, 'upstream', { server: `location / { return 200 '${'x'.repeat(200)}'; }` });
}
