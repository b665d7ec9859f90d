// What is measured: each stack is started fresh, shown to do its work, loaded, and stopped.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..');

export interface Stack {
  readonly url: string;
  readonly headers: readonly string[];
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** nginx answering 200 bytes by itself: the upstream of all, and the way to it without anything between. */
export async function startUpstream(folder: string): Promise<Stack> {
  const port = await freePort();
  return nginx(join(folder, 'upstream'), port, `location / { return 200 '${'x'.repeat(200)}'; }`);
}

/** nginx as a plain proxy with kept-alive connections: forwarding without any of the work. */
export async function startPlainProxy(folder: string, upstream: Stack): Promise<Stack> {
  const port = await freePort();
  const { host } = new URL(upstream.url);
  const location = 'location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }';
  return nginx(join(folder, 'proxy'), port, location, `upstream up { server ${host}; keepalive 64; }`);
}

/** The gateway: key, scope, network, and as many limits as named, on SQLite. */
export async function startGateway(folder: string, upstream: Stack, limits: number): Promise<Stack> {
  const home = join(folder, `gateway-${limits}`);
  mkdirSync(home, { recursive: true });
  const [port, ops] = [await freePort(), await freePort()];
  const named = Array.from({ length: limits }, (_, at) => `l${at}: { requests: 1000000, per: 1s }`).join(', ');
  writeFileSync(
    join(home, 'portcullis.yaml'),
    `version: 1
listen: { proxy: "127.0.0.1:${port}", ops: "127.0.0.1:${ops}" }
log: { requests: denied }
upstreams: { up: { targets: ["${upstream.url}"] } }
plans: { bench: { limits: { ${named} } }, tiny: { limits: { one: { requests: 1, per: 1h } } } }
routes: { all: { path: /**, upstream: up, scopes: [bench:read], networks: { allow: [127.0.0.0/8] } } }
`,
  );
  const secret = await mint(home, 'bench');
  await prove(home, port, secret, async () => await mint(home, 'tiny'));
  const child = await serve(home, ops);
  await expectStatus(port, secret, 200);
  return {
    url: `http://127.0.0.1:${port}`,
    headers: [`X-Api-Key: ${secret}`],
    pids: [child.pid!],
    stop: () => end(child),
  };

  /** A stack that does not do the work is not measured. */
  async function prove(at: string, proxy: number, good: string, other: () => Promise<string>): Promise<void> {
    const process = await serve(at, ops);
    try {
      await expectStatus(proxy, good, 200);
      await expectStatus(proxy, undefined, 401);
      await expectStatus(proxy, await mint(at, 'bench', 'other:read'), 403);
      const limited = await other();
      await expectStatus(proxy, limited, 200);
      await expectStatus(proxy, limited, 429);
    } finally {
      await end(process);
    }
  }
}

async function mint(home: string, plan: string, scope = 'bench:read'): Promise<string> {
  const words = [
    join(ROOT, 'src/main.ts'),
    'keys',
    'create',
    '--scope',
    scope,
    '--plan',
    plan,
    '--json',
    '-c',
    'portcullis.yaml',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: home });
  return (JSON.parse(stdout) as { secret: string }).secret;
}

async function serve(home: string, ops: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts'), 'serve', '-c', 'portcullis.yaml'], {
    cwd: home,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await untilAnswers(`http://127.0.0.1:${ops}/readyz`, child);
  return child;
}

async function expectStatus(port: number, secret: string | undefined, status: number): Promise<void> {
  const headers = secret === undefined ? {} : { 'x-api-key': secret };
  const answer = await fetch(`http://127.0.0.1:${port}/orders/7`, { headers });
  await answer.arrayBuffer();
  if (answer.status !== status) throw new Error(`the gateway answered ${answer.status} where ${status} is right`);
}

async function nginx(home: string, port: number, location: string, more = ''): Promise<Stack> {
  mkdirSync(join(home, 'logs'), { recursive: true });
  const file = join(home, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${home}/pid; error_log ${home}/logs/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; client_body_temp_path ${home}/b; proxy_temp_path ${home}/p; fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
${more} server { listen 127.0.0.1:${port}; ${location} } }`,
  );
  const child = spawn('nginx', ['-p', home, '-c', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await untilAnswers(url, child);
  const workers = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number);
  return { url, headers: [], pids: [child.pid!, ...workers], stop: () => end(child) };
}

async function untilAnswers(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (child.exitCode !== null) break;
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill();
  throw new Error(`nothing answers at ${url}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
