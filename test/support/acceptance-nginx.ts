// nginx, as Debian packages it, serving a directory: an upstream that nobody here wrote.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, listening } from './acceptance-ports.ts';
import { eventually, inTime } from './acceptance-wait.ts';
import { own } from './own-process.ts';

export interface Nginx {
  readonly url: string;
  /** The directory that it serves, and puts uploads into. */
  readonly root: string;
  stop(): Promise<void>;
}

/** Starts an nginx of one's own, whose files are all below `directory`. */
export async function startNginx(directory: string): Promise<Nginx> {
  const port = await freePort();
  const base = join(directory, 'nginx');
  const root = join(base, 'root');
  await mkdir(root, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(base, kind)};`)
    .join('\n  ');
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  const configuration = `${user}daemon off;
worker_processes 1;
pid ${join(base, 'nginx.pid')};
error_log ${join(base, 'error.log')};
events { worker_connections 256; }
http {
  access_log off;
  ${temporary}
  types { text/html html; text/css css; application/octet-stream bin; }
  gzip on;
  gzip_min_length 100;
  gzip_types text/css;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    location / { etag on; }
    location /uploads/ { dav_methods PUT DELETE; create_full_put_path on; }
  }
}
`;
  const file = join(base, 'nginx.conf');
  await writeFile(file, configuration);
  const child = own(
    spawn('nginx', ['-c', file, '-e', join(base, 'error.log'), '-p', base], { stdio: 'ignore' }),
    'SIGTERM',
  );
  const exited = once(child, 'exit');
  await eventually(() => listening(port));
  return {
    url: `http://127.0.0.1:${port}`,
    root,
    stop: async () => {
      child.kill('SIGTERM');
      await inTime(exited, 'the exit of nginx');
    },
  };
}
