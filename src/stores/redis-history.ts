// What a Redis shows of its history: its epoch, and its stream of changes. Each question is about one key, so that a
// slot that is on its way to another node holds nothing up.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Lineage } from '../core/ports.ts';
import { epochFor, type Sight } from './lineage.ts';
import type { RedisNames } from './redis-names.ts';
import { isReply } from './redis-refusal.ts';

export const streamEntries = z.array(z.tuple([z.string(), z.array(z.string())]));

/** One entry of the stream: its id, and names and values in turn. */
export type StreamEntry = z.infer<typeof streamEntries>[number];

/** Sends commands about one key to whoever has it. */
type Send = <T>(work: (client: Redis) => Promise<T>) => Promise<T>;

/** What an entry says of the history: with every change, its number goes up by one. */
export function changeOf([id, fields]: StreamEntry): Omit<Lineage, 'epoch'> {
  return { generation: Number(fieldOf(fields, 'number')) || 0, at: id, mark: fields.join(' ') };
}

/** The value of a field; undefined if the entry has none of that name. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  const at = fields.indexOf(name);
  return at % 2 === 0 ? fields[at + 1] : undefined;
}

/**
 * Looks at the store.
 * @param askStream sends the questions about the stream
 */
export async function seeRedis(
  { epoch, changes }: RedisNames,
  known: Lineage | undefined,
  send: Send,
  askStream: Send = send,
): Promise<Sight> {
  const [name, entries] = await Promise.all([
    send((client) => client.get(epoch)),
    askStream((client) => entriesThatTell(client, changes, known?.at ?? '')),
  ]);
  const { oldest, seen, last } = entries;
  return {
    epoch: name,
    last: last ? changeOf(last) : null,
    oldest: oldest ? changeOf(oldest).generation : null,
    markSeen: seen ? changeOf(seen).mark : null,
  };
}

/** Gives the store its epoch where it has none and should have one; what it has then is seen at the next look. */
export async function nameEpoch(
  { epoch }: RedisNames,
  known: Lineage | undefined,
  sight: Sight,
  send: Send,
): Promise<Sight> {
  const name = epochFor(known, sight, newEpoch);
  if (name === undefined) return sight;
  try {
    await send((client) => client.set(epoch, name, 'NX'));
  } catch (error) {
    // One that takes no writes just now is believed by its changes alone.
    if (isReply(error)) return sight;
    throw error;
  }
  return { ...sight, epoch: await send((client) => client.get(epoch)) };
}

/** 128 random bits. */
export function newEpoch(): string {
  return randomBytes(16).toString('hex');
}

async function entriesThatTell(client: Redis, stream: string, at: string) {
  const [seen, oldest, last] = await Promise.all([
    at === '' ? [] : client.xrange(stream, at, at),
    client.xrange(stream, '-', '+', 'COUNT', 1),
    client.xrevrange(stream, '+', '-', 'COUNT', 1),
  ]);
  return { seen: seen[0], oldest: oldest[0], last: last[0] };
}
