// Upstream bytes: a hostile upstream behind a gateway process, a strict client before it, and ordinary requests before and
// after each case that must not notice anything.
import type { Socket } from 'node:net';
import { inTime } from '../../support/acceptance-wait.ts';
import type { Finding, FuzzCase, FuzzSession, FuzzTarget } from '../fuzz-case.ts';
import { type FuzzedGateway, startFuzzedGateway } from '../gateway.ts';
import { AskingClient } from './asking-client.ts';
import { mannerOf, upstreamCase } from './grammar.ts';
import { closed, HostileUpstream } from './hostile.ts';
import { judge, meant, type Verdict } from './judge.ts';

/** Cases at once, each with an upstream of its own: what one leaves on a connection can only meet the next of its lane. */
const LANES = 48;

export const upstreamTarget: FuzzTarget = {
  name: 'upstream',
  batch: 576,
  generate: upstreamCase,
  open: async () => {
    const upstreams = await Promise.all(Array.from({ length: LANES }, () => HostileUpstream.start()));
    const bounds = { connectTimeout: '1s', responseTimeout: '1s', idleTimeout: '1s', maxConnections: 2 };
    const settings = {
      upstreams: Object.fromEntries(
        upstreams.map(({ origin }, at) => [`lane-${at}`, { targets: [origin], ...bounds }]),
      ),
      routes: Object.fromEntries(
        upstreams.map((_, at) => [`lane-${at}`, { path: `/lane-${at}/**`, upstream: `lane-${at}`, access: 'public' }]),
      ),
      // Nothing but what is wrong: the answers tell the rest.
      log: { level: 'warn' },
    };
    try {
      return new UpstreamSession(upstreams, await startFuzzedGateway(settings, []));
    } catch (fault) {
      for (const upstream of upstreams) await upstream.close();
      throw fault;
    }
  },
};

class UpstreamSession implements FuzzSession {
  readonly #gateway: FuzzedGateway;
  readonly #lanes: readonly Lane[];

  constructor(upstreams: readonly HostileUpstream[], gateway: FuzzedGateway) {
    this.#gateway = gateway;
    this.#lanes = upstreams.map((upstream, at) => new Lane(upstream, gateway.port, at));
  }

  async attempt(cases: readonly FuzzCase[]): Promise<readonly Finding[]> {
    const found: Finding[] = [];
    let next = 0;
    const work = async (lane: Lane): Promise<void> => {
      for (let index = next++; index < cases.length; index = next++) {
        const verdict = await lane.try(cases[index]!);
        if (verdict) found.push({ index, ...verdict });
      }
    };
    await Promise.all(this.#lanes.map(work));
    const troubles = this.#gateway.troubles.map((detail) => ({
      index: null,
      rule: 'the process lives and has no complaint',
      detail,
      isFatal: true,
    }));
    return [...troubles, ...found];
  }

  async close(): Promise<void> {
    for (const lane of this.#lanes) await lane.close();
    await this.#gateway.close();
  }
}

class Lane {
  readonly #upstream: HostileUpstream;
  readonly #client: AskingClient;
  readonly #base: string;
  #count = 0;

  constructor(upstream: HostileUpstream, port: number, at: number) {
    this.#upstream = upstream;
    this.#client = new AskingClient(port);
    this.#base = `/lane-${at}`;
  }

  async try({ setting, parts }: FuzzCase): Promise<Verdict | undefined> {
    const manner = mannerOf(setting);
    try {
      if (manner.isUsed) {
        const before = await this.#askGood('before');
        if (before) return before;
      } else await inTime(this.#upstream.endAll(), 'the end of idle connections');
      const path = `${this.#base}/case-${this.#count++}`;
      const played = Promise.withResolvers<Socket>();
      this.#upstream.put(path, { parts, manner, played: played.resolve });
      const got = await this.#client.ask(manner.method, path);
      const verdict = judge(setting, parts, got);
      if (verdict) return verdict;
      const socket = await inTime(played.promise, 'the end of the script');
      this.#upstream.drop(path);
      // Bytes that nobody asked for end a connection: else they would be the next request's answer.
      if (meant(setting, parts).excess > 0)
        await inTime(closed(socket), 'the end of a connection with bytes behind an answer');
      return await this.#askGood('after');
    } catch (fault) {
      return {
        rule: 'connections come and go as they should',
        detail: `${(fault as Error).message}: ${JSON.stringify({ setting, parts })}`,
      };
    }
  }

  /** An ordinary request gets its own answer, whatever went on around it. */
  async #askGood(when: string): Promise<Verdict | undefined> {
    const path = `${this.#base}/good-${this.#count++}`;
    const { answer, text } = await this.#client.ask('GET', path);
    if (answer?.status === 200 && answer.state === 'whole' && answer.body === `answer to ${path}`) return undefined;
    return { rule: 'an ordinary request gets its own answer', detail: `${when}, ${path} got ${JSON.stringify(text)}` };
  }

  async close(): Promise<void> {
    this.#client.destroy();
    await this.#upstream.close();
  }
}
