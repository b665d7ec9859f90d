// The outcomes that most published cases have, and what attackers hide in bodies.
import assert from 'node:assert/strict';
import { HOST } from './arena.ts';
import type { KnownCase } from './attack-class.ts';
import type { SeenRequest } from './recorder.ts';
import { request } from './ways.ts';

/** A request nobody may make: wherever it is taken for one of its own, the upstream sees it. */
export const SMUGGLED = `GET /admin/smuggled HTTP/1.1\r\nHost: ${HOST}\r\nX-Consumer-Id: root\r\n\r\n`;

/** A POST to /open/a whose framing is what `fields` say. */
export function post(fields: string, body: string): string {
  return request('/open/a', { method: 'POST', fields }) + body;
}

/** A case that is answered 400, with nothing sent upstream. */
export function refused(name: string, source: string, bytes: string, why?: string): KnownCase {
  return { name, source, bytes, answers: [400], ...(why !== undefined && { why }) };
}

/** A POST to /open/a, if no other method is named, that is forwarded with its body as one. */
export function passed(
  name: string,
  source: string,
  bytes: string,
  options: { readonly body?: string; readonly method?: string; readonly why?: string } = {},
): KnownCase {
  const { body = '', method = 'POST', why } = options;
  return {
    name,
    source,
    bytes,
    answers: [200],
    sees: [`${method} /open/a`],
    check: (seen) => assert.deepEqual(bodiesOf(seen), [body]),
    ...(why !== undefined && { why }),
  };
}

/** Bodies that came whole, one character a byte; undefined where one did not. */
export function bodiesOf(seen: readonly SeenRequest[]): (string | undefined)[] {
  return seen.map(({ body }) => body?.toString('latin1'));
}

/** What HAProxy and nginx are compared by where bodies matter: the request line, and how much of a body came. */
export function lineAndBody({ method, target, body }: SeenRequest): string {
  return `${method} ${target}${body === undefined ? ' in part' : body.length > 0 ? ` with ${body.length} bytes` : ''}`;
}
