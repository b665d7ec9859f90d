// An application, as Express or a plain listener, served on a port of its own.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ServedApp {
  readonly server: Server;
  readonly port: number;
  /** Ends every connection too. */
  close(): void;
}

export async function serveApp(app: RequestListener): Promise<ServedApp> {
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
