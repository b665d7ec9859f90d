// Addresses that exclude each other: two listeners at one port, one target written twice.
import { parseHostPort } from '../core/host-port.ts';
import type { Finding } from './problem.ts';
import type { Config } from './schema.ts';

export function checkAddresses(config: Config): Finding[] {
  return [...checkListeners(config), ...checkTargets(config)];
}

function checkListeners({ listen }: Config): Finding[] {
  const proxy = parseHostPort(listen.proxy);
  const ops = parseHostPort(listen.ops);
  if (!proxy.ok || !ops.ok || proxy.port !== ops.port || proxy.port === 0) return [];
  const hosts = [proxy.host, ops.host].map((host) => (host === 'localhost' ? '127.0.0.1' : host));
  if (hosts[0] !== hosts[1] && !hosts.some((host) => WILDCARDS.has(host))) return [];
  return [
    {
      path: ['listen', 'ops'],
      message: `is at the port of listen.proxy (${listen.proxy}); give each a port of its own`,
      about: [
        ['listen', 'proxy'],
        ['listen', 'ops'],
      ],
    },
  ];
}

const WILDCARDS = new Set(['0.0.0.0', '::']);

function checkTargets({ upstreams }: Config): Finding[] {
  return Object.entries(upstreams).flatMap(([name, { targets }]) =>
    targets.flatMap((target, index) =>
      targets.indexOf(target) === index
        ? []
        : [{ path: ['upstreams', name, 'targets', index], message: `${target} stands here twice; keep one` }],
    ),
  );
}
