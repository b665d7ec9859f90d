// One request and its answer, on a connection of its own.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { ORDERS } from './wrk.ts';

export interface Question {
  readonly key?: string;
  readonly path?: string;
  /** Address of this machine to ask from. */
  readonly from?: string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export async function ask(port: number, { key, path = ORDERS, from }: Question): Promise<Answer> {
  const asked = request({
    host: '127.0.0.1',
    port,
    path,
    agent: false,
    headers: key === undefined ? {} : { 'x-api-key': key },
    ...(from !== undefined && { localAddress: from }),
  });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer) };
}
