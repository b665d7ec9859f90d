// Ours against Node's and undici's reader on the same bytes: where ours takes an answer, it is the one that they
// take; where neither of them would, ours does not; where only ours would not, the reason is a known one.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import {
  isReading,
  type Outcome,
  type OurReading,
  readByConnection,
  readByNode,
  readByOurs,
  readByUndici,
} from '../support/answer-readings.ts';
import { AnswerGenerator, type GeneratedAnswer, randomFrom } from '../support/generated-answers.ts';

const COUNT = 12_000;
const OVER_SOCKETS = 1_000;
const AT_ONCE = 40;

/** What ours refuses though both of the others take it, and why. */
const KNOWN_STRICTNESS: readonly RegExp[] = [
  // A coding that is not just `chunked`, which they read to the connection's end; a 204 that announces a body; a
  // tab behind either, on account of which they do not take `chunked` for what it is.
  /^framing$/,
  // Fields in the trailer section that would have framed the body.
  /^framing in trailers$/,
  // Extensions without a name, or with a value that is no token and no quoted text.
  /^a chunk's (?:name|value)$/,
  // Empty lines before the status line; another version than HTTP/1.0 and HTTP/1.1.
  /^no HTTP\/1 status line$/,
  // A control character in the reason.
  /^status line$/,
  // Outside of 100 to 599, and 101 that was not asked for.
  /^status \d{1,3}$/,
];

const seed = Number(process.env['WIRE_SEED'] ?? randomInt(2 ** 32));

describe(`readers of the same answers (WIRE_SEED=${seed})`, () => {
  test(`${COUNT} generated answers, cut at random places`, async (context) => {
    context.diagnostic(`WIRE_SEED=${seed}`);
    const generator = new AnswerGenerator(randomFrom(seed));
    const counts = { taken: 0, refused: 0, stricter: 0 };
    const compareOne = async ({ method, bytes }: GeneratedAnswer): Promise<void> => {
      const pieces = generator.cut(bytes);
      const ours = readByOurs(pieces, method);
      const what = shown(method, pieces);
      assert.deepEqual(resultOf(readByOurs([bytes], method)), resultOf(ours), `cut differently: ${what}`);
      const others = generator.cut(isReading(ours) ? undisputed(bytes, ours) : bytes);
      const [node, undici] = await Promise.all([readByNode(others, method), readByUndici(others, method)]);
      counts[compare(ours, node, undici, what)]++;
    };
    for (let done = 0; done < COUNT; done += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, () => compareOne(generator.next())));
    context.diagnostic(JSON.stringify(counts));
    assert.ok(
      counts.taken > COUNT / 5 && counts.refused > COUNT / 5,
      `not much was compared: ${JSON.stringify(counts)}`,
    );
  });

  test(`${OVER_SOCKETS} of them over connections`, async (context) => {
    context.diagnostic(`WIRE_SEED=${seed}`);
    const generator = new AnswerGenerator(randomFrom(seed));
    const answers = Array.from({ length: OVER_SOCKETS }, () => {
      const { method, bytes } = generator.next();
      return { method, pieces: generator.cut(bytes) };
    });
    const server = createServer({ noDelay: true }, (socket) => {
      socket
        .on('error', () => {})
        .once('data', (request: Buffer) => {
          const { pieces } = answers[Number(/\/(\d+)/.exec(request.toString('latin1'))?.[1])]!;
          const next = (at: number): void => {
            if (at === pieces.length) socket.end();
            else socket.write(pieces[at]!, () => setImmediate(next, at + 1));
          };
          next(0);
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const compareOne = async (at: number): Promise<void> => {
      const { method, pieces } = answers[at]!;
      const overSocket = await readByConnection(origin, `/${at}`, method);
      assert.deepEqual(resultOf(overSocket), resultOf(readByOurs(pieces, method)), shown(method, pieces));
    };
    for (let done = 0; done < OVER_SOCKETS; done += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => compareOne(done + at)));
    await new Promise((resolve) => server.close(resolve));
  });
});

function compare(
  ours: Outcome<OurReading>,
  node: Outcome,
  undici: Outcome,
  what: string,
): 'taken' | 'refused' | 'stricter' {
  const theirs = [node, undici].filter(isReading);
  const all = `${what}\nours   ${JSON.stringify(ours)}\nnode   ${JSON.stringify(node)}\nundici ${JSON.stringify(undici)}`;
  if (isReading(ours)) {
    assert.ok(theirs.length > 0, `only ours takes it: ${all}`);
    for (const each of theirs) assert.deepEqual(each, resultOf(ours), all);
    return 'taken';
  }
  if (theirs.length < 2) return 'refused';
  assert.ok(
    KNOWN_STRICTNESS.some((reason) => reason.test(ours.refused)),
    `only ours refuses it: ${all}`,
  );
  return 'stricter';
}

/**
 * The part of the bytes that the others are asked about: the one answer, where something else follows, and
 * without the interim ones, where one of those said `Connection: close`. Both are passed on by ours, though the
 * connection is not used again, and make the others give up even where the answer is clear.
 */
function undisputed(bytes: Buffer, { excess, oddity }: OurReading): Buffer {
  const answer = bytes.subarray(0, bytes.length - excess);
  if (oddity === null) return answer;
  return Buffer.from(answer.toString('latin1').replace(/^(?:HTTP\/1\.[01] 1\d\d[^]*?\r\n\r\n)+/, ''), 'latin1');
}

/** What can be compared: the answer that was taken, or that none was. */
function resultOf(outcome: Outcome): unknown {
  if (!isReading(outcome)) return 'refused';
  const { status, fields, body, trailers } = outcome;
  return { status, fields, body, trailers };
}

function shown(method: string, pieces: readonly Buffer[]): string {
  return `${method} WIRE_SEED=${seed} ${JSON.stringify(pieces.map((piece) => piece.toString('latin1')))}`;
}
