// Portcullis on Redis doing the whole job: with either listener, with its request log, with a connection a request.
import { type GatewayOptions, refusalOf, startGateway } from '../gateway.ts';
import { missingProgram } from '../programs.ts';
import type { Session } from '../session.ts';
import type { Stack } from '../stack.ts';

type Http = 'node' | 'strict';

/** The variants of one listener. */
export function portcullisStacks(session: Session, http: Http): readonly Stack[] {
  const stack = (suffix: string, title: string, options: GatewayOptions = {}, more: Partial<Stack> = {}): Stack => ({
    name: `portcullis-${http}${suffix}`,
    title: `Portcullis (${http})${title}`,
    job: 'whole',
    missing: async () => missingProgram('redis-server') ?? (await refusalOf({ session }, { http })),
    start: (scene) => startGateway(scene, { http, ...options }),
    ...more,
  });
  return [
    stack('', ''),
    stack('-log-pipe', ', request log to a pipe', { requests: 'all', output: 'read' }),
    stack('-log-file', ', request log to a file', { requests: 'all', output: 'file' }),
    stack('-close', ', a connection a request', {}, { isClosing: true }),
  ];
}
