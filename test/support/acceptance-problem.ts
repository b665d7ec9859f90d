// What every error answer of the gateway looks like (SPEC section 5).
import assert from 'node:assert/strict';
import { ANSWERS, type Code } from '../../src/core/reasons.ts';
import type { Response } from './acceptance-http.ts';

/** The challenge of an answer to a request without a key. */
export const CHALLENGE = 'Bearer realm="portcullis", ApiKey realm="portcullis", header="x-api-key"';

/** The challenge of an answer to a request with a bad key. */
export const INVALID_CHALLENGE =
  'Bearer realm="portcullis", error="invalid_token", ApiKey realm="portcullis", header="x-api-key"';

/** Checks that an answer is the problem document of `code` with exactly these other members; gives its request id. */
export function assertProblem(
  response: Response,
  status: number,
  code: Code,
  members: Readonly<Record<string, unknown>> = {},
): string {
  assert.equal(response.status, status, `${response.status}: ${response.text()}`);
  assert.equal(response.header('content-type'), 'application/problem+json');
  const problem = response.json();
  const { requestId } = problem;
  assert.ok(typeof requestId === 'string' && requestId !== '', 'a request id');
  const { title } = ANSWERS[code];
  assert.deepEqual(problem, { type: `urn:portcullis:problem:${code}`, title, status, code, requestId, ...members });
  return requestId;
}
