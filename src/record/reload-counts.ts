// What is counted of the configuration: the one in force, and whether the last one read was accepted.
import type { Registry } from 'prom-client';
import { publish, publishValue } from './published.ts';

export class ReloadCounts {
  #isSuccessful = false;
  #failures = 0;
  #hash = '';
  #succeededAtMs = 0;

  /**
   * A configuration was loaded, at the start or later, or refused.
   * @param hash of the configuration in force afterwards
   * @param atMs when, ms since the epoch
   */
  reloaded(isSuccessful: boolean, hash: string, atMs: number): void {
    this.#isSuccessful = isSuccessful;
    this.#hash = hash;
    if (isSuccessful) this.#succeededAtMs = atMs;
    else this.#failures++;
  }

  publish(registry: Registry): void {
    publishValue(
      registry,
      'gauge',
      'portcullis_config_last_reload_successful',
      'Whether the configuration was accepted when last read.',
      () => Number(this.#isSuccessful),
    );
    publishValue(
      registry,
      'gauge',
      'portcullis_config_last_reload_success_timestamp_seconds',
      'When the configuration in force was read.',
      () => this.#succeededAtMs / 1000,
    );
    publishValue(
      registry,
      'counter',
      'portcullis_config_reload_failures_total',
      'Configurations that were refused.',
      () => this.#failures,
    );
    publish(registry, 'gauge', 'portcullis_config_info', 'Hash of the configuration in force; always 1.', () =>
      this.#hash === '' ? [] : [{ labels: { hash: this.#hash }, value: 1 }],
    );
  }
}
