// Upstream bytes from choices: answers of every shape and with every mistake that the wire tests know, damage on top, and
// how the connection goes on behind them.
import { AnswerGenerator } from '../../support/generated-answers.ts';
import type { Draw } from '../draw.ts';
import type { FuzzCase } from '../fuzz-case.ts';
import { mutated } from '../mutate.ts';

/** How a hostile upstream goes about its answer. */
export interface Manner {
  readonly method: 'GET' | 'HEAD' | 'POST';
  /** Whether the connection to the upstream has carried a request before. */
  readonly isUsed: boolean;
  /** Whether it answers at the end of the head, whatever becomes of the body. */
  readonly isEarly: boolean;
  /** What it does when all is written. */
  readonly ending: 'keep' | 'end' | 'reset';
}

export function upstreamCase(draw: Draw): FuzzCase {
  const generated = new AnswerGenerator(draw.random).next();
  let text = generated.bytes.toString('latin1');
  if (draw.chance(0.1)) text = draw.pick(INTERIM).repeat(1 + draw.below(12)) + text;
  if (draw.chance(0.05)) text += draw.pick(SECOND);
  if (draw.chance(0.3)) text = mutated(draw, text, 3);
  const method = generated.method === 'HEAD' ? 'HEAD' : draw.chance(0.15) ? 'POST' : 'GET';
  const manner: Manner = {
    method,
    isUsed: draw.chance(0.5),
    isEarly: draw.chance(0.3),
    // One that keeps silent costs a timeout.
    ending: draw.chance(0.75) ? 'end' : draw.chance(0.3) ? 'reset' : 'keep',
  };
  return { setting: mannerText(manner), parts: draw.cut(text, draw.chance(0.5) ? 1 : 5) };
}

export function mannerText({ method, isUsed, isEarly, ending }: Manner): string {
  return `${method} ${isUsed ? 'used' : 'fresh'} ${isEarly ? 'early' : 'late'} ${ending}`;
}

export function mannerOf(setting: string): Manner {
  const [method, used, early, ending] = setting.split(' ') as [Manner['method'], string, string, Manner['ending']];
  return { method, isUsed: used === 'used', isEarly: early === 'early', ending };
}

const INTERIM = [
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
];
const SECOND = ['HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond', 'HTTP/1.1 100 Continue\r\n\r\n', '\r\n', 'x'];
