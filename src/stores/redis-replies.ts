// A reply from Redis is as long as what stands there, and who can write there may leave anything: a client that is
// answered with more than any of our questions asks for drops the connection rather than hold it all.
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';

/** Bounds what one reply may take, on every connection that the client makes. */
export function boundReplies(client: Redis): void {
  client.on('connect', () => {
    const { stream, commandQueue } = client;
    let answered: unknown;
    let bytes = 0;
    // The client has read these bytes already: its own listener stands in front.
    stream.on('data', (chunk: Buffer) => {
      const awaited = commandQueue.peekFront();
      bytes = awaited !== undefined && awaited === answered ? bytes + chunk.length : 0;
      answered = awaited;
      if (bytes > BOUNDS.storeReplyBytes)
        stream.destroy(new Error(`an answer of Redis is longer than ${BOUNDS.storeReplyBytes / 1024 ** 2} MiB`));
    });
  });
}
