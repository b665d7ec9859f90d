// nginx with Debian's Lua module doing the whole job: SHA-256 by FFI over the libcrypto that nginx has loaded, keys
// in a Lua table, counts in shared dictionaries.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALLOWED, LIMITS, SCOPE, TINY_LIMIT } from '../keys.ts';
import { startNginx, upstreamBlock } from '../nginx.ts';
import { missingNginxModule, missingProgram, NGINX_MODULES } from '../programs.ts';
import type { Stack } from '../stack.ts';

export const nginxLua: Stack = {
  name: 'nginx-lua',
  title: 'nginx + Lua, the whole job',
  job: 'whole',
  missing: () =>
    missingProgram('nginx', 'nginx-light') ?? missingNginxModule('ngx_http_lua_module.so', 'libnginx-mod-http-lua'),
  start: async ({ session, upstream, keys }) => {
    const files = session.newFolder('lua');
    const known = keys.all.map(
      ({ sha256, id, owner, scope, plan }) =>
        `["${sha256}"] = { id = "${id}", owner = "${owner}", scope = "${scope}", minute = ${plan === 'tiny' ? TINY_LIMIT : LIMITS.aMinute} },\n`,
    );
    writeFileSync(join(files, 'gate.lua'), MODULE.replace('KEYS', known.join('')));
    const nginx = await startNginx(session, 'lua', {
      top: ['ndk_http_module.so', 'ngx_http_lua_module.so']
        .map((name) => `load_module ${NGINX_MODULES}/${name};`)
        .join(' '),
      http: `
  ${upstreamBlock(upstream)}
  lua_package_path "${files}/?.lua;/usr/share/lua/5.1/?.lua;;";
  lua_shared_dict minutes 10m; lua_shared_dict days 10m;
  init_by_lua_block { gate = require "gate" }
  geo $stranger { default 1; ${ALLOWED.map((cidr) => `${cidr} 0;`).join(' ')} }`,
      server: `
    location / {
      access_by_lua_block { gate.check() }
      proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
    }`,
    });
    return { port: nginx.port, pids: [nginx.pid], storePids: [], stop: nginx.stop };
  },
};

const MODULE = `
local ffi = require "ffi"
ffi.cdef "unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);"
local digest = ffi.new("unsigned char[32]")
local hex = {}
for i = 0, 255 do hex[i] = string.format("%02x", i) end
local keys = {
KEYS}
local minutes, days = ngx.shared.minutes, ngx.shared.days
local parts = {}

local function sha256(text)
  ffi.C.SHA256(text, #text, digest)
  for i = 0, 31 do parts[i + 1] = hex[digest[i]] end
  return table.concat(parts)
end

local function check()
  if ngx.var.stranger == "1" then return ngx.exit(403) end
  local text = ngx.var.http_x_api_key
  local key = text and keys[sha256(text)]
  if not key then return ngx.exit(401) end
  if key.scope ~= "${SCOPE}" then return ngx.exit(403) end
  local now = ngx.time()
  if minutes:incr(key.id .. (now - now % 60), 1, 0, 120) > key.minute then return ngx.exit(429) end
  if days:incr(key.id .. (now - now % 86400), 1, 0, 172800) > ${LIMITS.aDay} then return ngx.exit(429) end
  ngx.req.set_header("X-Consumer-Id", key.owner)
  ngx.req.set_header("X-Credential-Identifier", key.id)
  ngx.req.set_header("X-Authenticated-Scope", key.scope)
  ngx.req.clear_header("X-Api-Key")
end

return { check = check }
`;
