// The samples of docs/deploy: the systemd unit and the Kubernetes manifest.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'docs', 'deploy');
const ANALYZER = '/usr/bin/systemd-analyze';

describe('the systemd unit', () => {
  const unit = readFileSync(join(DEPLOY, 'portcullis.service'), 'utf8');

  test('reloads by SIGHUP, stays down when its configuration is wrong, and runs without rights', () => {
    for (const line of [
      'ExecReload=/bin/kill -HUP $MAINPID',
      'RestartPreventExitStatus=2 78',
      'User=portcullis',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'CapabilityBoundingSet=',
      'StateDirectoryMode=0700',
    ])
      assert.ok(unit.split('\n').includes(line), line);
  });

  test('is one that systemd understands', { skip: !existsSync(ANALYZER) && 'systemd is not here' }, async () => {
    await using folder = await makeTempDir();
    const file = folder.file('portcullis.service');
    // The command is not installed here; all else is taken as it is.
    await writeFile(file, unit.replaceAll('/usr/bin/env portcullis', '/bin/true'));
    const said = await new Promise<string>((resolve, reject) => {
      execFile(ANALYZER, ['verify', '--man=no', file], (error, stdout, stderr) =>
        error ? reject(new Error(`${stdout}${stderr}`, { cause: error })) : resolve(stdout + stderr),
      );
    });
    assert.doesNotMatch(said, /portcullis\.service/);
  });
});

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: unknown;
}

interface Deployment {
  readonly template: {
    readonly spec: {
      readonly terminationGracePeriodSeconds: number;
      readonly securityContext: { readonly runAsNonRoot: boolean };
      readonly containers: readonly {
        readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
        readonly livenessProbe: Probe;
        readonly readinessProbe: Probe;
        readonly securityContext: Readonly<Record<string, unknown>>;
        readonly volumeMounts: readonly { readonly mountPath: string; readonly subPath?: string }[];
      }[];
    };
  };
}

describe('the Kubernetes manifest', () => {
  const documents = parseAllDocuments(readFileSync(join(DEPLOY, 'kubernetes.yaml'), 'utf8'));
  const resources = documents.map((document) => document.toJS() as Resource);
  const config = resources.find(({ kind }) => kind === 'ConfigMap')!;
  const pod = (resources.find(({ kind }) => kind === 'Deployment')!.spec as Deployment).template.spec;
  const gateway = pod.containers[0]!;

  test('is YAML without errors, all of it in one namespace, and has no secret', () => {
    for (const document of documents) assert.deepEqual(document.errors, []);
    assert.deepEqual([...new Set(resources.map(({ metadata }) => metadata.namespace))], ['portcullis']);
    assert.ok(!resources.some(({ kind }) => kind === 'Secret'));
  });

  test('asks /livez for life and /readyz for readiness, on the ops port', () => {
    assert.deepEqual(gateway.livenessProbe.httpGet, { path: '/livez', port: 'ops' });
    assert.deepEqual(gateway.readinessProbe.httpGet, { path: '/readyz', port: 'ops' });
  });

  test('runs without rights, and mounts the configuration so that a change is seen', () => {
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.equal(gateway.securityContext['readOnlyRootFilesystem'], true);
    assert.equal(gateway.securityContext['allowPrivilegeEscalation'], false);
    assert.equal(gateway.volumeMounts.find(({ mountPath }) => mountPath === '/etc/portcullis')?.subPath, undefined);
  });

  test('has a configuration that is valid, whose ports are the container’s, and whose shutdown fits the grace period', async () => {
    await using folder = await makeTempDir();
    const file = folder.file('portcullis.yaml');
    await writeFile(file, config.data!['portcullis.yaml']!);
    const loaded = await loadConfig(file, { PORTCULLIS_PEPPER: 'p'.repeat(64), REDIS_PASSWORD: 'word' });
    const { listen, shutdown } = loaded.config;
    assert.deepEqual(
      gateway.ports.map(({ name, containerPort }) => [name, `0.0.0.0:${containerPort}`]),
      [
        ['proxy', listen.proxy],
        ['ops', listen.ops],
      ],
    );
    assert.ok(shutdown.delay + shutdown.timeout < pod.terminationGracePeriodSeconds * 1_000);
  });
});
