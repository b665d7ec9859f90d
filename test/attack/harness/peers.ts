// HAProxy and nginx, as Debian packages them, each in front of a recording upstream of its own, with /admin closed in the
// way their manuals close a path.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, listening } from '../../support/acceptance-ports.ts';
import { eventually, inTime } from '../../support/acceptance-wait.ts';
import { own } from '../../support/own-process.ts';
import { startRecorder, type Recorder } from './recorder.ts';

export interface Peer {
  readonly name: 'HAProxy' | 'nginx';
  readonly port: number;
  readonly recorder: Recorder;
  close(): Promise<void>;
}

/** @param upstream a port to forward to in place of the recorder's */
export function startHaproxy(upstream?: number): Promise<Peer> {
  return startPeer(upstream, 'HAProxy', 'haproxy', (base, port, to) => ({
    file: 'haproxy.cfg',
    args: ['-db', '-f', join(base, 'haproxy.cfg')],
    text: `global
  maxconn 500
defaults
  mode http
  timeout connect 2s
  timeout client 2s
  timeout server 2s
  timeout http-request 2s
frontend front
  bind 127.0.0.1:${port}
  http-request deny if { path_beg /admin }
  default_backend upstream
backend upstream
  server one 127.0.0.1:${to}
`,
  }));
}

/** @param upstream a port to forward to in place of the recorder's */
export function startNginx(upstream?: number): Promise<Peer> {
  return startPeer(upstream, 'nginx', 'nginx', (base, port, to) => ({
    file: 'nginx.conf',
    args: ['-c', join(base, 'nginx.conf'), '-e', join(base, 'error.log'), '-p', base],
    text: `${process.getuid?.() === 0 ? 'user root;\n' : ''}daemon off;
worker_processes 1;
pid ${join(base, 'nginx.pid')};
error_log ${join(base, 'error.log')};
events { worker_connections 256; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${join(base, kind)};`).join('\n  ')}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream main { server 127.0.0.1:${to}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location /admin { return 403; }
    location / {
      proxy_pass http://main;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
`,
  }));
}

type Configured = (
  base: string,
  port: number,
  upstream: number,
) => { readonly file: string; readonly args: readonly string[]; readonly text: string };

async function startPeer(
  upstream: number | undefined,
  name: Peer['name'],
  program: string,
  configured: Configured,
): Promise<Peer> {
  const base = await mkdtemp(join(tmpdir(), 'portcullis-peer-'));
  const port = await freePort();
  const recorder = await startRecorder();
  const { file, args, text } = configured(base, port, upstream ?? recorder.port);
  await writeFile(join(base, file), text);
  const child = own(spawn(program, args, { stdio: 'ignore' }), 'SIGTERM');
  const exited = once(child, 'exit');
  const close = async (): Promise<void> => {
    // At which nginx ends its worker too.
    child.kill('SIGTERM');
    await inTime(exited, `the exit of ${name}`);
    await recorder.close();
    await rm(base, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await eventually(() => listening(port));
  } catch (error) {
    await close();
    throw error;
  }
  return { name, port, recorder, close };
}
