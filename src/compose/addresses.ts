// Places to listen at: from the configuration's text to a listener, and from a listener to a text for the log.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UserFault } from '../core/fault.ts';
import { parseHostPort } from '../core/host-port.ts';

/**
 * Listens at a place of the configuration.
 * @throws {UserFault} with the cure, if that cannot be done
 */
export async function listenAt<T>(
  text: string,
  field: 'listen.proxy' | 'listen.ops',
  listen: (host: string, port: number) => Promise<T>,
): Promise<T> {
  const place = parseHostPort(text);
  if (!place.ok) throw new UserFault(`${field} ${text} ${place.problem}`, 78);
  try {
    return await listen(place.host, place.port);
  } catch (fault) {
    const { code } = fault as NodeJS.ErrnoException;
    throw new UserFault(
      code === 'ENOTSUP'
        ? `this system cannot share ${text} among processes (ENOTSUP); set workers to 1`
        : `cannot listen at ${text} (${code}); set ${field} to a free address of this machine`,
      1,
      fault,
    );
  }
}

/** Lets the ops listener listen at the place that the configuration says. */
export function listenForOps(server: Server, place: string): Promise<AddressInfo> {
  return listenAt(place, 'listen.ops', async (host, port) => {
    server.listen({ host, port });
    await once(server, 'listening');
    return server.address() as AddressInfo;
  });
}

export function addressText({ address, port, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
