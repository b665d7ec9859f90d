// URLs that name no store are refused with one that would.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openStore } from '../../src/stores/open.ts';
import { storeSettings } from '../support/backings.ts';

describe('a store URL that is none', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    'redis+sentinel://h1:1,h2:2': /write redis\+sentinel:\/\/.*\/NAME/,
    'redis+cluster://h1:1,h2:2/1': /write redis\+cluster:\/\//,
    'postgres://localhost/x': /begins with postgres:/,
    'data/portcullis.db': /has no scheme/,
    'sqlite:': /write sqlite:PATH/,
    'sqlite://data/x.db': /write sqlite:PATH/,
    'sqlite::memory:': /write sqlite:PATH/,
    'redis://': /write redis:\/\//,
    'redis://localhost/zero': /write redis:\/\//,
    'redis://localhost?family=6': /write redis:\/\//,
  };
  for (const [url, message] of Object.entries(cases))
    it(`${url} is refused as a wrong configuration`, async () => {
      await assert.rejects(openStore(storeSettings(url)), { name: 'UserFault', exitCode: 78, message });
    });
});
