// The judge of upstream bytes: the client got what a strict reader reads in them, or was told that there is nothing, or
// can tell by its connection that it got a part.
import { strictAnswerAt, type StrictAnswer } from '../strict/answers.ts';
import { type Fields, valuesOf } from '../strict/lines.ts';
import type { Got } from './asking-client.ts';
import { mannerOf } from './grammar.ts';

export interface Verdict {
  readonly rule: string;
  readonly detail: string;
}

/** What of the upstream's bytes can be read, and how many are left over. */
export interface Meant {
  readonly answer: StrictAnswer | null;
  readonly excess: number;
}

/** A strict reading of what the upstream has written. */
export function meant(setting: string, parts: readonly string[]): Meant {
  const text = parts.join('');
  const { method, ending } = mannerOf(setting);
  const answer = strictAnswerAt(text, 0, method, ending === 'end');
  if (typeof answer === 'string') return { answer: null, excess: 0 };
  return { answer, excess: answer.state === 'whole' ? text.length - answer.end : 0 };
}

/** What is wrong with what the client got, if anything. */
export function judge(
  setting: string,
  parts: readonly string[],
  { answer: got, text, isUnreadable, isStuck }: Got,
): Verdict | undefined {
  const { answer } = meant(setting, parts);
  const detail = `the upstream wrote ${JSON.stringify(parts)} (${setting}), the client got ${JSON.stringify(text)}`;
  if (isStuck) return { rule: 'every request comes to an end', detail };
  if (isUnreadable) return { rule: 'the client is answered in HTTP', detail };
  if (got === null) return isSound(setting, parts) ? { rule: 'a sound answer is passed on', detail } : undefined;
  if (isProblem(got)) return isSound(setting, parts) ? { rule: 'a sound answer is passed on', detail } : undefined;
  if (answer === null) return { rule: 'what is no answer is not passed on', detail };
  if (got.status !== answer.status)
    return { rule: 'the answer is the one that was meant', detail: `status: ${detail}` };
  const isPart = got.state !== 'whole';
  if (!isPart && answer.state !== 'whole') return { rule: 'a part of an answer is not passed off as all', detail };
  if (isPart ? !answer.body.startsWith(got.body) : got.body !== answer.body)
    return { rule: 'the answer is the one that was meant', detail: `body: ${detail}` };
  const invented = inventedField(got.fields, answer.fields);
  if (invented !== undefined) return { rule: 'the answer is the one that was meant', detail: `${invented}: ${detail}` };
  return undefined;
}

/** So plain that there is no reason not to pass it on. */
function isSound(setting: string, parts: readonly string[]): boolean {
  const { ending, method, isEarly } = mannerOf(setting);
  const match =
    /^HTTP\/1\.1 [245]0[01] [A-Za-z ]+\r\n(?:Date: [a-z]+\r\n)*Content-Length: (\d{1,5})\r\n\r\n([a-z .]*)$/.exec(
      parts.join(''),
    );
  return match !== null && ending !== 'reset' && !isEarly && Number(match[1]) === match[2]!.length && method === 'GET';
}

/** Whether the gateway says that there is no answer. */
function isProblem({ status, body, fields }: StrictAnswer): boolean {
  if (status !== 502 && status !== 504) return false;
  return (
    valuesOf(fields, 'content-type').includes('application/problem+json') &&
    (body === '' || body.includes('urn:portcullis:problem:upstream_'))
  );
}

const OURS = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'x-request-id']);

/** A field that the upstream did not send, or sent after those that it precedes. */
function inventedField(got: Fields, sent: Fields): string | undefined {
  let from = 0;
  for (let at = 0; at < got.length; at += 2) {
    if (OURS.has(got[at]!.toLowerCase())) continue;
    while (from < sent.length && !(sent[from] === got[at] && sent[from + 1] === got[at + 1])) from += 2;
    if (from >= sent.length) return got[at];
    from += 2;
  }
  return undefined;
}
