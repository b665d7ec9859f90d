// compose.yaml as far as it can be checked without a container engine: what it promises, and that whatever it
// mounts and builds is there.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Service {
  readonly image?: string;
  readonly build?: string | { readonly context: string; readonly target?: string };
  readonly command?: string | readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly privileged?: boolean;
  readonly user?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const text = readFileSync(join(ROOT, 'compose.yaml'), 'utf8');
const compose = parse(text) as Compose;
const services = Object.entries(compose.services);

test('compose.yaml has the gateway, Redis, Prometheus, Grafana and a sample API', () => {
  assert.deepEqual(Object.keys(compose.services).sort(), ['gateway', 'grafana', 'orders', 'prometheus', 'redis']);
});

test('Redis appends every change to a file and evicts nothing', () => {
  const redis = compose.services['redis']!;
  assert.match(String(redis.command), /--appendonly yes\b/);
  assert.match(String(redis.command), /--maxmemory-policy noeviction\b/);
  assert.equal(redis.ports, undefined, 'it is reached by the gateway only');
  assert.ok(redis.volumes?.some((mount) => mount.endsWith(':/data')));
});

test('every published port is on the loopback address', () => {
  const ports = services.flatMap(([, { ports = [] }]) => ports);
  assert.ok(ports.length >= 4);
  for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
});

test('whatever is mounted is in the repository, or a named volume', () => {
  for (const [name, { volumes = [] }] of services)
    for (const mount of volumes) {
      const source = mount.split(':')[0]!;
      if (source.startsWith('.')) {
        assert.ok(existsSync(join(ROOT, source)), `${name} mounts ${source}`);
        assert.ok(readdirSync(join(ROOT, source)).length > 0, `${source} is not empty`);
        assert.match(mount, /:ro$/, `${name} cannot write to ${source}`);
      } else {
        assert.ok(source in compose.volumes, `${name} mounts the volume ${source}`);
      }
    }
});

test('networks and services that are named are there', () => {
  for (const [name, { networks = [], depends_on: before = [] }] of services) {
    assert.ok(networks.length > 0, `${name} is on a network`);
    for (const network of networks) assert.ok(network in compose.networks, `${name} is on ${network}`);
    for (const other of Array.isArray(before) ? before : Object.keys(before))
      assert.ok(String(other) in compose.services, `${name} depends on ${String(other)}`);
  }
});

test('no service runs with rights it does not need, and images have a version', () => {
  for (const [name, service] of services) {
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    assert.notEqual(service.privileged, true, name);
    assert.notEqual(service.user, 'root', name);
    if (service.image !== undefined && service.build === undefined) assert.match(service.image, /:v?\d+\.\d+/, name);
  }
  assert.equal(compose.services['gateway']!.read_only, true);
});

test('no secret stands in it, and one that is missing stops it', () => {
  assert.match(compose.services['gateway']!.environment!['PORTCULLIS_PEPPER']!, /^\$\{PORTCULLIS_PEPPER:\?/);
  assert.doesNotMatch(text, /PASSWORD: ?['"]?[^$'"\s]/);
});

test('the configuration that it runs is valid, and listens where it publishes', async () => {
  const file = join(ROOT, 'config', 'portcullis.docker.yaml');
  assert.equal(
    compose.services['gateway']!.environment!['PORTCULLIS_CONFIG'],
    '/etc/portcullis/portcullis.docker.yaml',
  );
  const { config } = await loadConfig(file, { PORTCULLIS_PEPPER: 'p'.repeat(64) });
  assert.equal(config.listen.proxy, '0.0.0.0:8080');
  assert.equal(config.listen.ops, '0.0.0.0:9464');
  for (const { targets } of Object.values(config.upstreams))
    for (const target of targets) assert.ok(new URL(target).hostname in compose.services, target);
  assert.ok(new URL(config.store.url).hostname in compose.services);
});

test('Prometheus scrapes the gateway, and Grafana asks Prometheus', () => {
  const scraped = parse(readFileSync(join(ROOT, 'grafana/prometheus/prometheus.yml'), 'utf8')) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = scraped.scrape_configs.flatMap((job) => job.static_configs.flatMap((each) => each.targets));
  assert.deepEqual(targets, ['gateway:9464']);
  const sources = readFileSync(join(ROOT, 'grafana/provisioning/datasources/prometheus.yaml'), 'utf8');
  assert.match(sources, /url: http:\/\/prometheus:9090/);
});
