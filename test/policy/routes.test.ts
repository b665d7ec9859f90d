import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import { compilePolicy } from '../../src/policy/compile.ts';

type Routes = Record<string, Record<string, unknown>>;

function match(routes: Routes, host: string, path: string, method = 'GET', preflight?: string): string {
  const config = configSchema.parse({ version: 1, routes });
  const found = compilePolicy(config, '').routes.match(
    host,
    path.split('/').slice(1).filter(Boolean),
    method,
    preflight,
  );
  switch (found.kind) {
    case 'none':
      return 'none';
    case 'method':
      return `allow ${found.allow.join(' ')}`;
    case 'route':
      return found.route.name;
    case 'preflight':
      return `preflight ${found.route.name}`;
  }
}

const TREE: Routes = {
  all: { path: '/**' },
  orders: { path: '/orders/**' },
  one: { path: '/orders/*' },
  mine: { path: '/orders/mine' },
  items: { path: '/orders/{id}/items' },
  deep: { path: '/orders/mine/items/**' },
};

const MATCHES: readonly [path: string, route: string][] = [
  ['/', 'all'],
  ['/x', 'all'],
  ['/orders', 'orders'],
  ['/orders/7', 'one'],
  ['/orders/7/', 'one'],
  ['/orders/mine', 'mine'],
  ['/orders/mine/', 'mine'],
  ['/orders/7/items', 'items'],
  ['/orders/mine/items', 'deep'],
  ['/orders/mine/items/3/4', 'deep'],
  ['/orders/7/other', 'orders'],
  ['/orders/mine/other', 'orders'],
];

for (const [path, route] of MATCHES) {
  test(`the most specific route wins: ${path} is ${route}`, () => {
    assert.equal(match(TREE, 'h', path), route);
  });
}

test('no route is none', () => {
  assert.equal(match({ a: { path: '/a' } }, 'h', '/b'), 'none');
  assert.equal(match({ a: { path: '/a' } }, 'h', '/a/b'), 'none');
  assert.equal(match({ a: { path: '/a/*' } }, 'h', '/a'), 'none');
});

test('a route with hosts comes before one without', () => {
  const routes: Routes = {
    any: { path: '/orders/7' },
    exact: { path: '/orders/**', hosts: ['api.example.com'] },
    wildcard: { path: '/orders/*', hosts: ['*.example.com'] },
    nested: { path: '/orders/*', hosts: ['*.eu.example.com'] },
  };
  assert.equal(match(routes, 'api.example.com', '/orders/7'), 'exact');
  assert.equal(match(routes, 'www.example.com', '/orders/7'), 'wildcard');
  assert.equal(match(routes, 'a.eu.example.com', '/orders/7'), 'nested');
  assert.equal(match(routes, 'example.com', '/orders/7'), 'any');
  assert.equal(match(routes, 'www.example.com', '/orders/7/8'), 'none');
});

test('another method never makes a less specific route answer', () => {
  const routes: Routes = { admin: { path: '/admin/**', methods: ['GET'] }, all: { path: '/**' } };
  assert.equal(match(routes, 'h', '/admin/x', 'POST'), 'allow GET');
  assert.equal(match(routes, 'h', '/other', 'POST'), 'all');
});

test('routes of one path are told apart by method, and Allow lists them all', () => {
  const routes: Routes = { read: { path: '/a', methods: ['GET', 'HEAD'] }, write: { path: '/a', methods: ['POST'] } };
  assert.equal(match(routes, 'h', '/a', 'GET'), 'read');
  assert.equal(match(routes, 'h', '/a', 'POST'), 'write');
  assert.equal(match(routes, 'h', '/a', 'DELETE'), 'allow GET HEAD POST');
});

test('TRACE, CONNECT and unknown methods never pass', () => {
  for (const method of ['TRACE', 'CONNECT', 'PROPFIND', 'get', '']) {
    assert.match(match({ a: { path: '/a' } }, 'h', '/a', method), /^allow GET/);
  }
});

test('a preflight is forwarded for a method whose route says so, and for no other', () => {
  const routes: Routes = {
    read: { path: '/a', methods: ['GET'], preflight: true },
    write: { path: '/a', methods: ['POST'] },
  };
  assert.equal(match(routes, 'h', '/a', 'OPTIONS', 'GET'), 'preflight read');
  assert.equal(match(routes, 'h', '/a', 'OPTIONS', 'POST'), 'allow GET POST');
  assert.equal(match(routes, 'h', '/a', 'OPTIONS'), 'allow GET POST');
});
