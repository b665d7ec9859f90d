// HAProxy in front of gateways, as a rolling restart needs: it asks each for /readyz and sends new requests only to
// those that are ready.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, listening } from './acceptance-ports.ts';
import { eventually } from './acceptance-wait.ts';
import { own } from './own-process.ts';

export interface BalancedGateway {
  readonly proxyPort: number;
  readonly opsPort: number;
}

export interface Balancer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts one whose probes are `checkMs` apart; a gateway that says 503 once gets no more requests. */
export async function startBalancer(
  directory: string,
  gateways: readonly BalancedGateway[],
  checkMs: number,
): Promise<Balancer> {
  const port = await freePort();
  const file = join(directory, 'haproxy.cfg');
  const servers = gateways.map(
    ({ proxyPort, opsPort }, at) =>
      `  server g${at} 127.0.0.1:${proxyPort} check port ${opsPort} inter ${checkMs}ms fall 1 rise 1`,
  );
  await writeFile(
    file,
    `global
  maxconn 1000
defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  timeout check 5s
frontend in
  bind 127.0.0.1:${port}
  default_backend gateways
backend gateways
  option httpchk GET /readyz
  http-reuse safe
${servers.join('\n')}
`,
  );
  const child = own(spawn('haproxy', ['-f', file, '-db'], { stdio: 'ignore' }));
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await eventually(() => listening(port));
    return { port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
