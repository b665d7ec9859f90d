import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { parse } from 'yaml';

const GRAFANA = new URL('../../grafana/', import.meta.url);
const PROMETHEUS = new URL('prometheus/prometheus.yml', GRAFANA);

function read<T>(name: string): T {
  return parse(readFileSync(new URL(name, GRAFANA), 'utf8')) as T;
}

describe('the files that Prometheus and Grafana start with', () => {
  it('satisfy promtool check config', () => {
    const promtool = spawnSync('promtool', ['check', 'config', fileURLToPath(PROMETHEUS)], { encoding: 'utf8' });
    assert.equal(promtool.status, 0, promtool.stdout + promtool.stderr);
  });

  it('tell Grafana the interval at which Prometheus scrapes', () => {
    const { global } = read<{ global: { scrape_interval: string } }>('prometheus/prometheus.yml');
    const { datasources } = read<{ datasources: { type: string; jsonData: { timeInterval: string } }[] }>(
      'provisioning/datasources/prometheus.yaml',
    );
    assert.deepEqual(
      datasources.map(({ type, jsonData }) => [type, jsonData.timeInterval]),
      [['prometheus', global.scrape_interval]],
    );
  });

  it('load the dashboards from files', () => {
    const { providers } = read<{ providers: { type: string; options: { path: string } }[] }>(
      'provisioning/dashboards/portcullis.yaml',
    );
    assert.deepEqual(
      providers.map(({ type, options }) => [type, options.path]),
      [['file', '/var/lib/grafana/dashboards']],
    );
  });
});
