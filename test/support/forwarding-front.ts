// The least front that forwarding needs: a node:http server that lets everything through, forwards it, and
// keeps what forwarding said of it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { UpstreamConfig } from '../../src/config/schema.ts';
import { forward, type Forwarded, type ForwardJob } from '../../src/forward/forward.ts';
import { compileHeaderRules, outgoingFields } from '../../src/forward/headers.ts';
import { Upstreams } from '../../src/forward/targets.ts';
import { forwardUpgrade } from '../../src/forward/upgrade.ts';
import { eventually } from './acceptance-wait.ts';

export interface ForwardingFront {
  readonly port: number;
  readonly server: Server;
  readonly upstreams: Upstreams;
  /** What became of each request, in the order they ended. */
  readonly outcomes: Forwarded[];
  /** Defects: what forwarding rejected with. */
  readonly defects: unknown[];
  /** The `count`th outcome, once it is there. */
  readonly outcome: (count?: number) => Promise<Forwarded>;
  readonly close: () => Promise<void>;
}

const RULES = compileHeaderRules(
  { header: 'x-api-key', acceptsBearer: true, query: null, prefix: 'ptc_live' },
  {
    owner: 'X-Consumer-Id',
    key: 'X-Credential-Identifier',
    roles: 'X-Consumer-Groups',
    scopes: 'X-Authenticated-Scope',
  },
);

/** An upstream's configuration with its defaults. */
export function upstreamConfig(targets: readonly string[], more: Partial<UpstreamConfig> = {}): UpstreamConfig {
  return {
    targets: [...targets],
    connectTimeout: 1000,
    responseTimeout: 5000,
    idleTimeout: 5000,
    maxConnections: 256,
    retries: 1,
    ...more,
  };
}

/** Starts a front before one upstream. */
export async function startFront(
  config: UpstreamConfig,
  more: Partial<Pick<ForwardJob, 'maxBodyBytes' | 'answerFields'>> = {},
): Promise<ForwardingFront> {
  const upstreams = Upstreams.build({ app: config });
  upstreams.start();
  const outcomes: Forwarded[] = [];
  const defects: unknown[] = [];
  const answerFields = ['X-Request-Id', 'request-1', ...(more.answerFields ?? [])];
  const fieldsOf = ({ rawHeaders, headers }: IncomingMessage): string[] =>
    outgoingFields(RULES, {
      rawHeaders,
      identityFields: ['X-Consumer-Id', 'acme'],
      forwardedFor: [],
      peer: '127.0.0.1',
      proto: 'http',
      host: headers.host ?? '',
      requestId: 'request-1',
    });

  const handle = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    const { headers, method = '', url = '' } = request;
    const length = Number(headers['content-length'] ?? 0);
    const job: ForwardJob = {
      upstream: upstreams.get('app'),
      method,
      path: url,
      fields: fieldsOf(request),
      request,
      response,
      maxBodyBytes: more.maxBodyBytes ?? 1024 ** 3,
      contentLength: headers['transfer-encoding'] === undefined ? length : null,
      answerFields,
      isLast: () => false,
      beforeBody: expectsContinue ? () => response.writeContinue() : null,
    };
    forward(job, {
      forwardEnded: (forwarded) => {
        outcomes.push(forwarded);
        if (forwarded.kind === 'answered') return;
        response.writeHead(599, ['X-Code', forwarded.code, 'Content-Length', '0', 'Connection', 'close']);
        response.end();
        request.resume();
      },
      forwardBroke: (defect) => {
        defects.push(defect);
        response.destroy();
      },
    });
  };

  const handleUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    const upstream = upstreams.get('app');
    const job = { upstream, path: request.url ?? '', fields: fieldsOf(request), socket, head, answerFields };
    forwardUpgrade(job, {
      forwardEnded: (forwarded) => {
        outcomes.push(forwarded);
        if (forwarded.kind === 'failed')
          socket.end(`HTTP/1.1 599 Failed\r\nX-Code: ${forwarded.code}\r\nConnection: close\r\n\r\n`);
      },
      forwardBroke: (defect) => {
        defects.push(defect);
        socket.destroy();
      },
    });
  };

  const server = createServer({ noDelay: true }, (request, response) => handle(request, response, false));
  server.on('checkContinue', (request, response) => handle(request, response, true));
  server.on('upgrade', (request, socket, head) => handleUpgrade(request, socket as Socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    server,
    upstreams,
    outcomes,
    defects,
    outcome: (count = 1) =>
      eventually(() => {
        const outcome = outcomes[count - 1];
        if (!outcome) throw new Error(`only ${outcomes.length} of ${count} outcomes`);
        return outcome;
      }),
    close: async () => {
      server.closeAllConnections();
      for (const tunnel of upstreams.openTunnels) tunnel.close(1001);
      await new Promise((resolve) => server.close(resolve));
      await upstreams.close();
    },
  };
}
