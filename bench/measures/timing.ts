// Whether the time of a refusal tells why a key was refused, which would tell whether a guessed one exists or did once:
// the decision in this process, and a whole gateway over one connection; with the refusal remembered, and with a look-up.
import { setTimeout as pause } from 'node:timers/promises';
import { found } from '../../test/support/findings.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { BOUNDS } from '../../src/core/bounds.ts';
import { createEnforcement } from '../../src/compose/enforcement.ts';
import { openPeppers } from '../../src/secrets/peppers.ts';
import { readConfig } from '../../src/config/load.ts';
import type { Bench } from '../bench.ts';
import { newRequest } from '../decision-scene.ts';
import { startGateway } from '../gateway.ts';
import { GATEWAY_ENV, gatewayConfig } from '../gateway-config.ts';
import { keySet } from '../keys.ts';
import { type OneConnection, openConnection } from '../one-connection.ts';
import { startRedis } from '../redis.ts';
import {
  asReceived,
  CLASSES,
  IMPORTED,
  MINTED,
  type RefusedClass,
  type RefusedTexts,
  storeRefusedKeys,
} from '../refused-keys.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { type Difference, differenceOf } from '../welch.ts';

const SAMPLES = 100_000;
/**
 * Texts a class. Asked again and again, few are remembered all the time; all of them in turn are more than are remembered. As
 * many as samples, because those of one text are not independent: where its digest lies in a table takes a time of its own.
 */
const REMEMBERED = 500;
const LOOKED_UP = SAMPLES;
/** Questions at once where each waits for the store: one by one they would take an hour. */
const LANES = 64;
/** Above it, two classes can be told apart. */
const ASKED_T = 4.5;
/** The guard must not end it. */
const GUARD = { failures: 1_000_000, per: '1s', block: '1s' } as const;

/** @param lane which of the questions at once it is */
type Sample = (text: string, lane: number) => Promise<number> | number;
type Samples = Readonly<Record<RefusedClass, Float64Array>>;

export async function timing({ session, options, say }: Bench): Promise<void> {
  const machine = machineLine();
  const count = options.requests ?? SAMPLES;
  const redis = await startRedis(session);
  const change = (config: ConfigInput): ConfigInput => ({
    ...config,
    guard: GUARD,
    // A busy machine is not what is measured.
    store: { ...config.store, url: redis.url, timeout: '5s' },
  });
  const gateway = await startGateway({ session, keys: keySet(1), upstream: 1 }, { change }, redis);
  const places = { port: 0, opsPort: 0, upstream: 1, redis: redis.url };
  const config: ConfigInput = { ...change(gatewayConfig(places, {})), listen: {}, log: { level: 'error' } };
  const peppers = await openPeppers((await readConfig(config, GATEWAY_ENV)).config, GATEWAY_ENV);
  say('writing the keys');
  const texts = await storeRefusedKeys(redis.url, peppers, LOOKED_UP);

  const enforcement = await createEnforcement({ config, env: GATEWAY_ENV }, () => undefined);
  const { policy } = enforcement.inForce();
  const decide: Sample = (text) => {
    const request = newRequest(policy, asReceived(text));
    const from = process.hrtime.bigint();
    const decision = enforcement.decide(request);
    if (!(decision instanceof Promise)) return Number(process.hrtime.bigint() - from);
    return decision.then(() => Number(process.hrtime.bigint() - from));
  };
  let connections: readonly OneConnection[] = [];
  const answers = new Set<string>();
  const ask: Sample = async (text, lane) => {
    const { us, answer } = await connections[lane]!.ask(requestBytes(text));
    const shown = withoutVariables(answer.toString('latin1'));
    if (!shown.startsWith('HTTP/1.1 401 ')) throw new Error(`not a refusal of a key: ${shown}`);
    answers.add(shown);
    return us;
  };

  const ways: readonly [what: string, unit: string, sample: Sample, variety: number, lanes: number][] = [
    ['the decision, remembered', 'ns', decide, REMEMBERED, 1],
    ['the decision, with a look-up', 'ns', decide, LOOKED_UP, LANES],
    ['through the gateway, remembered', 'us', ask, REMEMBERED, 1],
    ['through the gateway, with a look-up', 'us', ask, LOOKED_UP, LANES],
  ];
  const kept: object[] = [];
  console.log(`${machine}\n${count} samples a class, in random order from seed ${options.seed}\n`);
  for (const [what, unit, sample, variety, lanes] of ways) {
    say(what);
    // Opened when they are used: the gateway would close them meanwhile.
    if (sample === ask && connections.length === 0)
      connections = await Promise.all(Array.from({ length: LANES }, () => openConnection(gateway.port)));
    const from = performance.now();
    const samples = await interleaved({ texts, variety, count, seed: options.seed, sample, lanes });
    say(`  ${((performance.now() - from) / 1_000).toFixed(0)} s`);
    const rows = pairs().map(([a, b]) => ({ a, b, ...differenceOf(samples[a], samples[b]) }));
    printMedians(what, unit, samples);
    printPairs(unit, rows);
    const worst = Math.max(...rows.filter(({ a, b }) => !isPublic(a, b)).map(({ t }) => Math.abs(t)));
    kept.push({ what, unit, worst, rows });
    found(SPEAKER, {
      rule: 'constant time',
      tried: `refusals timed, ${count.toLocaleString('en')} of each class (${[...MINTED, ...IMPORTED].join(', ')}): ${what}`,
      promised: `|t| < ${ASKED_T} between any two that the text itself does not tell apart`,
      seen: `|t| at most ${worst.toFixed(2)}`,
      isMissed: worst >= ASKED_T,
    });
  }
  console.log(`\nanswers, but for their request id and date: ${answers.size}\n\n${[...answers].join('\n\n')}`);
  for (const connection of connections) connection.close();
  await enforcement.close();
  await gateway.stop();
  keepResults('timing', options, machine, { count, ways: kept, answers: answers.size });
}

const SPEAKER = { diagnostic: (message: string) => console.log(`\n${message}`) };

interface Plan {
  readonly texts: RefusedTexts;
  /** How many texts of each class are in turn. */
  readonly variety: number;
  readonly count: number;
  readonly seed: number;
  readonly sample: Sample;
  readonly lanes: number;
}

/** Every class as often, in random order; each goes through its texts in turn. */
async function interleaved(plan: Plan): Promise<Samples> {
  const { texts, variety, count, sample, lanes } = plan;
  const random = randomFrom(plan.seed);
  const samples = newSamples(count);
  const taken = Object.fromEntries(CLASSES.map((name) => [name, 0])) as Record<RefusedClass, number>;
  const turns = Array.from({ length: CLASSES.length * variety }, (_, at) => at);
  shuffle(turns, random);
  const isRemembered = variety < LOOKED_UP;
  let [turn, epoch, warmedAt] = [0, -1, 0];
  const textOf = (at: number) =>
    texts[CLASSES[at % CLASSES.length]!][Math.floor(at / CLASSES.length) + Math.max(0, epoch) * variety]!;
  const runLane = async (lane: number): Promise<void> => {
    while (CLASSES.some((name) => taken[name] < count)) {
      if (isRemembered) {
        const next = Math.floor((turn / (count * CLASSES.length)) * EPOCHS) % EPOCHS;
        const isLate = performance.now() - warmedAt > MEASURED_MS;
        // What is remembered is only renewed once it was forgotten.
        if (isLate && next === epoch) await pause(BOUNDS.refusalTtlMs - MEASURED_MS + 200);
        if (isLate || next !== epoch) {
          epoch = next;
          shuffle(turns, random);
          await askAll(turns.map(textOf), sample);
          warmedAt = performance.now();
        }
      }
      const at = turns[turn++ % turns.length]!;
      const name = CLASSES[at % CLASSES.length]!;
      const pending = sample(textOf(at), lane);
      const time = pending instanceof Promise ? await pending : pending;
      if (taken[name] < count) samples[name][taken[name]++] = time;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
  return samples;
}

/** Others are remembered in each part of the samples: where a text lies in a table takes a time of its own. */
const EPOCHS = LOOKED_UP / REMEMBERED;
/** For so long behind their being asked all are remembered, ms. */
const MEASURED_MS = BOUNDS.refusalTtlMs - 1_000;

async function askAll(texts: readonly string[], sample: Sample): Promise<void> {
  let next = 0;
  const runLane = async (lane: number): Promise<void> => {
    while (next < texts.length) await sample(texts[next++]!, lane);
  };
  await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(lane)));
}

function newSamples(count: number): Record<RefusedClass, Float64Array> {
  return Object.fromEntries(CLASSES.map((name) => [name, new Float64Array(count)])) as Record<
    RefusedClass,
    Float64Array
  >;
}

/** Fisher and Yates. */
function shuffle(items: number[], random: () => number): void {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other]!, items[last]!];
  }
}

/** Marsaglia's xorshift32; 0 to below 1. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function pairs(): [RefusedClass, RefusedClass][] {
  return CLASSES.flatMap((a, at) => CLASSES.slice(at + 1).map((b): [RefusedClass, RefusedClass] => [a, b]));
}

function printMedians(what: string, unit: string, samples: Samples): void {
  console.log(`\n## ${what}\n`);
  printTable(
    ['class', `median ${unit}`, `p10 ${unit}`, `p90 ${unit}`],
    CLASSES.map((name) => {
      const sorted = samples[name].toSorted();
      const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(2);
      return [name, at(0.5), at(0.1), at(0.9)];
    }),
  );
}

interface PairRow extends Difference {
  readonly a: RefusedClass;
  readonly b: RefusedClass;
}

function printPairs(unit: string, rows: readonly PairRow[]): void {
  console.log('');
  printTable(
    ['', '', "Welch's t", 'of samples below', `difference of means, ${unit}`, `below ${ASKED_T}`],
    rows.map(({ a, b, t, crop, difference }) => [
      a,
      b,
      t.toFixed(2),
      crop === 1 ? 'all' : `p${crop * 100}`,
      difference.toFixed(3),
      Math.abs(t) < ASKED_T ? 'yes' : isPublic(a, b) ? 'no (the text shows it)' : 'NO',
    ]),
  );
}

/** Whether anyone can tell the two apart without asking, by the prefix or the checksum. */
function isPublic(a: RefusedClass, b: RefusedClass): boolean {
  return ![MINTED, IMPORTED].some((form: readonly string[]) => form.includes(a) && form.includes(b));
}

function requestBytes(text: string): Buffer {
  return Buffer.from(`GET /orders/7 HTTP/1.1\r\nHost: api.example.com\r\nX-Api-Key: ${text}\r\n\r\n`, 'latin1');
}

/** What may differ between two answers without telling anything has a length that does not. */
function withoutVariables(answer: string): string {
  return answer
    .replace(/(\r\nx-request-id: )([^\r]+)/i, (_, name: string, id: string) => name + '-'.repeat(id.length))
    .replace(/("requestId":")([^"]+)/, (_, name: string, id: string) => name + '-'.repeat(id.length))
    .replace(/(\r\ndate: )([^\r]+)/i, (_, name: string, date: string) => name + '-'.repeat(date.length));
}
