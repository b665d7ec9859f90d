// Client bytes from choices: requests that are right, requests with every kind of oddity a parser may trip over, and
// damage on top; one to four on a connection, cut anywhere.
import type { Draw } from '../draw.ts';
import type { FuzzCase } from '../fuzz-case.ts';
import { mutated } from '../mutate.ts';
import { KEYS, MAX_BODY } from './scene.ts';
import {
  METHODS,
  PATHS,
  PATH_ENDS,
  PARAMETERS,
  ODD_FORMS,
  HOSTS,
  PLACES,
  STRANGERS,
  EXTRA,
  CONNECTIONS,
  PROTOCOLS,
  WS_KEY,
  BEHIND,
  EXPECTS,
  BODIES,
  EXTENSIONS,
  TRAILERS,
  FRAMINGS,
} from './words.ts';

/** `end`: the client ends when all is written and reads on; `reset`: it goes at once. */
export type ClientEnd = 'end' | 'reset';

export function clientCase(draw: Draw): FuzzCase {
  let text = '';
  for (let count = 1 + (draw.chance(0.4) ? draw.below(4) : 0); count > 0; count--) text += request(draw);
  if (draw.chance(0.55)) text = mutated(draw, text, 4);
  const setting: ClientEnd = draw.chance(0.03) ? 'reset' : 'end';
  return { setting, parts: draw.cut(text, draw.chance(0.5) ? 1 : 6) };
}

function request(draw: Draw): string {
  const version = draw.chance(0.93) ? '1.1' : draw.pick(['1.0', '1.2', '2.0', '0.9']);
  let head = `${draw.pick(METHODS)} ${target(draw)} HTTP/${version}\r\n`;
  const fields = [draw.chance(0.97) ? 'Host: shop.example' : draw.pick(HOSTS)];
  fields.push(...credentials(draw));
  for (let count = draw.below(draw.chance(0.03) ? 120 : 5); count > 0; count--) fields.push(draw.pick(EXTRA));
  const isUpgrade = draw.chance(0.08);
  if (isUpgrade)
    fields.push(draw.pick(CONNECTIONS), `Upgrade: ${draw.pick(PROTOCOLS)}`, 'Sec-WebSocket-Version: 13', WS_KEY);
  const body = framed(draw, fields);
  for (const field of shuffled(draw, fields)) head += `${field}\r\n`;
  return `${head}\r\n${body}${isUpgrade && draw.chance(0.5) ? draw.pick(BEHIND) : ''}`;
}

function target(draw: Draw): string {
  if (draw.chance(0.03)) return draw.pick(ODD_FORMS);
  let path = draw.pick(PATHS);
  if (draw.chance(0.3)) path += draw.pick(PATH_ENDS);
  if (draw.chance(0.02)) path += 'a'.repeat(draw.pick([200, 8100, 8200, 17_000]));
  if (draw.chance(0.25)) path += `?${Array.from({ length: 1 + draw.below(3) }, () => draw.pick(PARAMETERS)).join('&')}`;
  return path;
}

function credentials(draw: Draw): string[] {
  const secret = (): string => (draw.chance(0.85) ? draw.pick(KEYS).secret : draw.pick(STRANGERS));
  const one = (): string => draw.pick(PLACES).replace('KEY', secret());
  if (draw.chance(0.12)) return [];
  return draw.chance(0.9) ? [one()] : [one(), one()];
}

/** Adds framing to the fields; gives the body. */
function framed(draw: Draw, fields: string[]): string {
  const body = draw.pick(BODIES).repeat(1 + draw.below(draw.chance(0.05) ? MAX_BODY / 8 : 6));
  if (draw.chance(0.06)) fields.push(draw.pick(EXPECTS));
  switch (draw.below(10)) {
    case 0:
    case 1:
      fields.push(`${draw.pick(['Content-Length', 'content-length', 'CONTENT-LENGTH'])}: ${body.length}`);
      return body;
    case 2:
    case 3:
      fields.push(
        `${draw.pick(['Transfer-Encoding', 'transfer-encoding'])}: ${draw.pick(['chunked', 'chunked', 'Chunked'])}`,
      );
      return chunked(draw, body);
    case 4:
      for (let count = 1 + draw.below(2); count > 0; count--)
        fields.push(draw.pick(FRAMINGS).replace('LENGTH', String(body.length)));
      return draw.chance(0.5) ? chunked(draw, body) : body;
    default:
      return draw.chance(0.03) ? body : '';
  }
}

function chunked(draw: Draw, body: string): string {
  const pieces = draw.cut(body, 4).map((piece) => {
    const size = piece.length.toString(16);
    return `${draw.chance(0.1) ? `00${size.toUpperCase()}` : size}${draw.pick(EXTENSIONS)}\r\n${piece}\r\n`;
  });
  const trailers = draw.chance(0.2) ? `${draw.pick(TRAILERS)}\r\n` : '';
  return `${pieces.join('')}${draw.pick(['0', '0', '0', '000'])}${draw.pick(EXTENSIONS)}\r\n${trailers}\r\n`;
}

function shuffled(draw: Draw, fields: readonly string[]): string[] {
  const rest = [...fields];
  return fields.map(() => rest.splice(draw.chance(0.7) ? 0 : draw.below(rest.length), 1)[0]!);
}
