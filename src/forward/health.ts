// Active health checks of one target: probes at a steady pace, and a state that turns only after several in
// a row, so that one lost packet moves no traffic.
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';

/** When and how a target is probed; times in ms. */
export interface HealthRule {
  readonly path: string;
  readonly every: number;
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

/** A target counts as healthy until probes say otherwise. */
export class HealthCheck {
  isHealthy = true;
  readonly #url: URL;
  readonly #rule: HealthRule;
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  /** Probes in a row that speak against the present state. */
  #against = 0;

  /**
   * @param origin the target
   * @param timeoutMs how long a probe may take; one has always ended before the next
   */
  constructor(origin: string, rule: HealthRule, timeoutMs: number) {
    // Joined as text: a path of two slashes would otherwise name another host.
    this.#url = new URL(new URL(origin).origin + rule.path);
    this.#rule = rule;
    this.#timeoutMs = Math.min(timeoutMs, rule.every);
  }

  /** Goes on from what an earlier check of the same target has found, if it asked the same. */
  takeOver(earlier: HealthCheck): void {
    if (earlier.#url.href === this.#url.href) this.isHealthy = earlier.isHealthy;
  }

  /** Begins to probe; the first probe goes out at once. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#probe();
  }

  /** Ends it; the state stays. */
  stop(): void {
    this.#isRunning = false;
    clearTimeout(this.#timer);
  }

  #probe(): void {
    probe(this.#url, this.#timeoutMs, (isGood) => {
      if (!this.#isRunning) return;
      this.#count(isGood);
      this.#timer = setTimeout(() => this.#probe(), this.#rule.every).unref();
    });
  }

  #count(isGood: boolean): void {
    if (isGood === this.isHealthy) {
      this.#against = 0;
      return;
    }
    this.#against++;
    if (this.#against < (this.isHealthy ? this.#rule.unhealthyAfter : this.#rule.healthyAfter)) return;
    this.isHealthy = isGood;
    this.#against = 0;
  }
}

/** Asks once, over a connection of its own; good is any status from 200 to 399. */
function probe(url: URL, timeoutMs: number, done: (isGood: boolean) => void): void {
  let isDone = false;
  const finish = (isGood: boolean): void => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    request.destroy();
    done(isGood);
  };
  const headers = { 'User-Agent': 'portcullis-health', Connection: 'close' };
  const request = (url.protocol === 'https:' ? httpsGet : httpGet)(url, { agent: false, headers });
  const timer = setTimeout(() => finish(false), timeoutMs).unref();
  request
    .on('response', ({ statusCode = 0 }) => finish(statusCode >= 200 && statusCode <= 399))
    .on('upgrade', () => finish(false))
    .on('error', () => finish(false))
    .on('socket', (socket) => socket.unref());
}
