// Client bytes: exact bytes to a gateway process, and a look at all that came of them.
import { eventually } from '../../support/acceptance-wait.ts';
import type { LogLine } from '../../support/gateway-process.ts';
import type { Finding, FuzzCase, FuzzSession, FuzzTarget } from '../fuzz-case.ts';
import { type FuzzedGateway, startFuzzedGateway } from '../gateway.ts';
import { exchange, type Sent } from './exchange.ts';
import { clientCase } from './grammar.ts';
import { judge, type Trace } from './judge.ts';
import { sceneKeys, sceneSettings } from './scene.ts';
import { startWitness, type Witness, type Witnessed } from './witness.ts';

export const clientTarget: FuzzTarget = {
  name: 'client',
  batch: 256,
  generate: clientCase,
  open: async () => {
    const witness = await startWitness();
    try {
      return new ClientSession(witness, await startFuzzedGateway(sceneSettings(witness.origin), sceneKeys()));
    } catch (fault) {
      await witness.close();
      throw fault;
    }
  },
};

/** Connections at once. */
const LANES = 24;

class ClientSession implements FuzzSession {
  readonly #witness: Witness;
  readonly #gateway: FuzzedGateway;
  readonly #lines = new Map<string, LogLine[]>();
  #peers = 0;
  #barriers = 0;

  constructor(witness: Witness, gateway: FuzzedGateway) {
    this.#witness = witness;
    this.#gateway = gateway;
    gateway.onLine = (line) => {
      const peer = line['peer'];
      if (typeof peer !== 'string') return;
      const lines = this.#lines.get(peer);
      if (lines) lines.push(line);
      else this.#lines.set(peer, [line]);
    };
  }

  async attempt(cases: readonly FuzzCase[]): Promise<readonly Finding[]> {
    const sent: Sent[] = Array.from({ length: cases.length });
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let at = next++; at < cases.length; at = next++)
        sent[at] = await exchange(this.#gateway.port, this.#peer(), cases[at]!);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const unsettled = await this.#settle();
    const { requests, unreadable } = this.#witness.take();
    const findings: Finding[] = this.#gateway.troubles.map((detail) => ({
      index: null,
      rule: 'the process lives and has no complaint',
      detail,
      isFatal: true,
    }));
    findings.push(...unsettled, ...this.#judged(cases, sent, requests));
    for (const text of unreadable)
      findings.push({
        index: null,
        rule: 'the upstream is spoken to in HTTP',
        detail: JSON.stringify(text),
        isFatal: true,
      });
    this.#lines.clear();
    return findings;
  }

  async close(): Promise<void> {
    await this.#gateway.close();
    await this.#witness.close();
  }

  #judged(cases: readonly FuzzCase[], sent: readonly Sent[], requests: readonly Witnessed[]): Finding[] {
    const witnessedOf = Map.groupBy(requests, ({ request }) => forwardedFor(request.fields));
    const findings: Finding[] = [];
    for (const [index, { peer, received, isStuck }] of sent.entries()) {
      const trace: Trace = {
        peer,
        sent: cases[index]!.parts.join(''),
        received,
        isReset: cases[index]!.setting === 'reset',
        lines: this.#lines.get(peer) ?? [],
        witnessed: witnessedOf.get(peer) ?? [],
      };
      witnessedOf.delete(peer);
      const verdict = isStuck
        ? { rule: 'every connection comes to an end', detail: JSON.stringify(trace) }
        : judge(trace);
      if (verdict) findings.push({ index, ...verdict });
    }
    witnessedOf.delete(BARRIER_PEER);
    for (const [peer, seen] of witnessedOf)
      findings.push({
        index: null,
        rule: 'the upstream is told who is asking',
        detail: `${peer}: ${JSON.stringify(seen)}`,
      });
    return findings;
  }

  /** Waits until nothing is under way and the log is complete: a request of ours is the last in it. */
  async #settle(): Promise<Finding[]> {
    try {
      const path = `/public/barrier-${this.#barriers++}`;
      await eventually(
        async () => {
          const scrape = await this.#gateway.metrics();
          const inFlight = scrape.sum('portcullis_in_flight_requests');
          if (inFlight !== 0) throw new Error(`${inFlight} requests are in flight after all connections have ended`);
        },
        { withinMs: 3_000, everyMs: 5 },
      );
      const text = `GET ${path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n`;
      const { received } = await exchange(
        this.#gateway.port,
        BARRIER_PEER,
        { setting: 'end', parts: [text] },
        BARRIER_MS,
      );
      if (!received.startsWith('HTTP/1.1 200 ')) throw new Error(`a good request got ${JSON.stringify(received)}`);
      await eventually(
        () => {
          if (!this.#lines.get(BARRIER_PEER)?.some((line) => line['path'] === path))
            throw new Error(`no log line for ${path}`);
        },
        { everyMs: 1 },
      );
      return [];
    } catch (fault) {
      return [{ index: null, rule: 'good requests are served again', detail: (fault as Error).message, isFatal: true }];
    }
  }

  /** An address of the case's own, so that everything that it caused can be told from the others'. */
  #peer(): string {
    const number = this.#peers++;
    return `127.${1 + (Math.floor(number / 62_500) % 250)}.${1 + (Math.floor(number / 250) % 250)}.${1 + (number % 250)}`;
  }
}

const BARRIER_PEER = '127.255.0.1';
/** How long a good request may take on a busy machine, ms. */
const BARRIER_MS = 4_000;

function forwardedFor(fields: readonly string[]): string {
  const at = fields.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'x-forwarded-for');
  return at === -1 ? '' : fields[at + 1]!;
}
