// Forwarding before an upstream, set up in one line and taken down in one place.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { UpstreamConfig } from '../../src/config/schema.ts';
import type { ForwardJob } from '../../src/forward/forward.ts';
import { eventually } from './acceptance-wait.ts';
import { type ForwardingFront, startFront, upstreamConfig } from './forwarding-front.ts';
import { type RecordingUpstream, type Script, startRecordingUpstream } from './recording-upstream.ts';

type More = Partial<Pick<ForwardJob, 'maxBodyBytes' | 'answerFields'>>;

export interface Scene extends ForwardingFront {
  readonly front: ForwardingFront;
  readonly upstream: RecordingUpstream & {
    /** Waits until as many connections came. */
    connected(count: number): Promise<void>;
  };
}

export interface Scenes {
  /** A front before an upstream that does as scripted. */
  raw(script: Script, config?: Partial<UpstreamConfig>, more?: More): Promise<Scene>;
  /** A front before a server, which is started on a free port. */
  behind(server: Server, config?: Partial<UpstreamConfig>): Promise<ForwardingFront>;
  /** A front before upstreams that are there already, or are not. */
  before(origins: readonly string[], config?: Partial<UpstreamConfig>, more?: More): Promise<ForwardingFront>;
  /** Takes everything down. */
  close(): Promise<void>;
}

export function openScenes(): Scenes {
  const closing: (() => Promise<unknown>)[] = [];
  const before: Scenes['before'] = async (origins, config = {}, more = {}) => {
    const front = await startFront(upstreamConfig(origins, config), more);
    closing.push(front.close);
    return front;
  };
  return {
    before,
    raw: async (script, config, more) => {
      const upstream = await startRecordingUpstream(script);
      closing.push(upstream.close);
      const front = await before([upstream.origin], config, more);
      const connected = (count: number): Promise<void> =>
        eventually(() => {
          if (upstream.connections.length < count) throw new Error(`only ${upstream.connections.length} connections`);
        });
      return { ...front, front, upstream: { ...upstream, connected } };
    },
    behind: async (server, config) => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      closing.push(async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      });
      return before([`http://127.0.0.1:${(server.address() as AddressInfo).port}`], config);
    },
    close: async () => {
      for (const close of closing.toReversed()) await close();
    },
  };
}
