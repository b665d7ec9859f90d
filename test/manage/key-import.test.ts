import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { StoreFault, UserFault } from '../../src/core/fault.ts';
import { mintKeyText } from '../../src/core/api-key.ts';
import type { KeyRecord } from '../../src/core/key-record.ts';
import type { Store } from '../../src/core/ports.ts';
import type { ImportEntry } from '../../src/manage/import-entry.ts';
import type { ImportCount, ImportLine } from '../../src/manage/key-import.ts';
import { type Backing, sqliteBacking } from '../support/backings.ts';
import { newPepper, serviceOn, type ServiceUnderTest } from '../support/key-services.ts';

interface Heard extends ImportCount {
  /** `LINE: message`. */
  readonly said: string[];
  readonly stored: KeyRecord[];
}

describe('keys import', () => {
  let backing: Backing;
  let store: Store;
  let under: ServiceUnderTest;
  before(async () => {
    backing = await sqliteBacking();
    store = await backing.open();
    under = serviceOn(store);
  });
  after(() => backing.dispose());

  async function importAll(entries: readonly Partial<ImportEntry>[], on: ServiceUnderTest = under): Promise<Heard> {
    const lines = entries.map((entry, at) => ({ line: at + 1, entry: { ...anEntry(), ...entry } }));
    return await importLines(() => stream(lines), on);
  }

  async function importLines(open: () => AsyncIterable<ImportLine>, { service } = under): Promise<Heard> {
    const said: string[] = [];
    const stored: KeyRecord[] = [];
    const count = await service.importKeys(open, {
      problem: (line, message) => said.push(`${line}: ${message}`),
      differs: (line, message) => said.push(`${line}: ${message}`),
      progress: () => undefined,
      stored: async (record) => void stored.push(record),
    });
    return { ...count, said, stored };
  }

  test('keys that users already hold keep working: plaintext and SHA-256 are found by what clients present', async () => {
    const text = 'ein Schlüssel von früher';
    const hashed = 'sk-2f1d7c0a9e8b4c5d6f7a';
    const { imported, stored } = await importAll([
      { id: 'legacy-1', secret: { text }, grants: { owner: 'acme', roles: ['reader'] } },
      { id: 'legacy-2', secret: { sha256: sha256(hashed) }, grants: { plan: 'free' } },
    ]);
    assert.equal(imported, 2);
    const { pepper } = under;
    const presented = (of: string): string => Buffer.from(of, 'utf8').toString('latin1');
    assert.equal(idOf(await store.keys.findByDigest(pepper.digestsOf(presented(text)))), 'legacy-1');
    assert.equal(idOf(await store.keys.findByDigest(pepper.digestsOf(presented(hashed)))), 'legacy-2');
    assert.deepEqual(
      stored.map(({ secrets }) => secrets[0]?.hint),
      ['…üher', null],
    );
    assert.ok(!JSON.stringify(stored).includes(text));
  });

  test('knowing a SHA-256 is not holding the key', async () => {
    const digest = sha256('what only its holder knows');
    await importAll([{ secret: { sha256: digest } }]);
    assert.equal(await store.keys.findByDigest(under.pepper.digestsOf(digest.toString('latin1'))), 'absent');
    assert.equal(await store.keys.findByDigest(under.pepper.digestsOf(digest.toString('hex'))), 'absent');
  });

  test('an import run again changes nothing and says what was there', async () => {
    const entries = [
      { id: 'again-1', secret: { text: 'a key that comes twice' }, grants: { scopes: ['a', 'b'] } },
      { secret: { sha256: sha256('one without an id') }, grants: { owner: 'acme' } },
    ];
    const first = await importAll(entries);
    const second = await importAll(entries);
    assert.deepEqual([first.imported, first.present, second.imported, second.present], [2, 0, 0, 2]);
    assert.deepEqual(second.stored, first.stored);
    assert.deepEqual(second.said, []);
  });

  test('a key that is there already is left as it is, and it is said where its grants differ', async () => {
    const entry = { id: 'kept', secret: { text: 'a key with few grants' }, grants: { scopes: ['orders:read'] } };
    await importAll([entry]);
    await under.service.revoke('kept');
    const { present, said } = await importAll([{ ...entry, grants: { scopes: ['*'] } }]);
    assert.equal(present, 1);
    assert.deepEqual(said, ['1: key kept is there already with other grants, and was left as it is']);
    const record = await under.service.get('kept');
    assert.deepEqual([record.scopes, record.status], [['orders:read'], 'revoked']);
  });

  test('every problem is listed with its line, and nothing is imported if any is wrong', async () => {
    await under.service.create({ id: 'here-already' });
    await importAll([{ id: 'other-holder', secret: { text: 'held by another key' } }]);
    const minted = mintKeyText('ptc_live', Buffer.alloc(32, 7));
    const { imported, problems, said, stored } = await importAll([
      { id: 'good', secret: { text: 'a good key of the old days' } },
      { secret: { text: 'fifteen bytes..' } },
      { secret: { text: 'x'.repeat(513) } },
      { secret: { text: ' begins with a space' } },
      { secret: { text: 'has a \n line break' } },
      { secret: { text: `${minted.slice(0, -1)}!` } },
      { id: 'not an id', grants: { roles: ['readr'], plan: 'golf', scopes: ['Orders'], allow: ['10/8'] } },
      { id: minted },
      { id: 'billing-job', grants: { owner: 'acme' } },
      { id: 'here-already' },
      { secret: { text: 'held by another key' }, id: 'third-holder' },
      { secret: { text: 'a good key of the old days' } },
      { secret: { sha256: sha256('a good key of the old days') } },
      { id: 'good' },
    ]);
    assert.deepEqual([imported, stored], [0, []]);
    assert.equal(problems, said.length);
    const expected = [
      /^2: secret has 15 bytes; an imported key takes 16 to 512/,
      /^3: secret has 513 bytes/,
      /^4: secret has a control character in it, or a space/,
      /^5: secret has a control character in it, or a space/,
      /^6: secret begins with ptc_live_, but .* its checksum is wrong/,
      /^7: role "readr" is not in the configuration; did you mean reader\?/,
      /^7: scope "Orders" is not a scope/,
      /^7: allow "10\/8"/,
      /^7: plan "golf" is not in the configuration; did you mean gold\?/,
      /^7: id takes 1 to 64/,
      /^8: id takes 1 to 64 .*, and is not a secret/,
      /^9: key billing-job is declared in the configuration/,
      /^10: key here-already exists already with another secret/,
      /^11: its secret already belongs to key other-holder/,
      /^12: its secret stands on line 1 already/,
      /^13: its secret stands on line 1 already/,
      /^14: its id stands on line 1 already/,
    ];
    assert.equal(said.length, expected.length, said.join('\n'));
    for (const [at, pattern] of expected.entries()) assert.match(said[at] ?? '', pattern);
    assert.ok(!said.join('\n').includes(minted), 'no message repeats a secret');
    await assert.rejects(under.service.get('good'), /there is no key good/);
  });

  test('a minted text whose record was lost can be brought back', async () => {
    const text = mintKeyText('ptc_live', Buffer.alloc(32, 9));
    const { imported } = await importAll([{ id: 'restored', secret: { text } }]);
    assert.equal(imported, 1);
    assert.equal(idOf(await store.keys.findByDigest([under.pepper.digest(text)])), 'restored');
  });

  test('a declared id takes its grants from the configuration', async () => {
    const { stored } = await importAll([{ id: 'billing-job', grants: {} }]);
    assert.equal(stored[0]?.declared, true);
  });

  test('a key that was imported under a previous pepper is there already under the next', async () => {
    const entry = { id: 'older', secret: { text: 'from before the pepper changed' }, grants: {} };
    await importAll([entry]);
    const next = serviceOn(store, { peppers: { current: newPepper(), previous: [under.pepper] } });
    const { present } = await importAll([entry], next);
    assert.equal(present, 1);
  });

  test('a thousand keys: all are stored, in the order of their lines', async () => {
    const entries = Array.from({ length: 1_000 }, (_, at) => ({
      id: `many-${at}`,
      secret: { text: `the ${at}th of many keys` },
    }));
    const { imported, stored } = await importAll(entries);
    assert.equal(imported, 1_000);
    assert.deepEqual(
      stored.map(({ id }) => id),
      entries.map(({ id }) => id),
    );
  });

  test('lines that change between being checked and being stored end the import with a sentence', async () => {
    let readings = 0;
    const open = (): AsyncIterable<ImportLine> => {
      readings++;
      const text = readings === 1 ? 'as it was when checked' : 'short';
      return stream([{ line: 1, entry: { ...anEntry(), secret: { text } } }]);
    };
    await assert.rejects(
      importLines(open),
      (fault) => fault instanceof UserFault && /line 1 changed/.test(fault.message),
    );
  });

  test('lines that are missing when they are to be stored are told: what was not imported never counts as done', async () => {
    let readings = 0;
    const open = (): AsyncIterable<ImportLine> => stream(readings++ === 0 ? [{ line: 1, entry: anEntry() }] : []);
    await assert.rejects(
      importLines(open),
      (fault) => fault instanceof UserFault && /the number of lines changed/.test(fault.message),
    );
  });

  test('a store that fails ends the import, and leaves nothing under way', async () => {
    let underWay = 0;
    const keys = {
      ...store.keys,
      get: (id: string) => store.keys.get(id),
      findByDigest: async (digests: readonly string[]) => {
        underWay++;
        await store.keys.findByDigest(digests);
        underWay--;
        throw new StoreFault('find', 'the store is gone');
      },
    } as Store['keys'];
    const failing = serviceOn({ ...store, keys });
    const entries = Array.from({ length: 100 }, (_, at) => ({ secret: { text: `the ${at}th key of a failed run` } }));
    await assert.rejects(importAll(entries, failing), StoreFault);
    assert.equal(underWay, 0);
  });
});

let made = 0;

function anEntry(): ImportEntry {
  return { secret: { text: `some key of the old system ${++made}` }, grants: {}, meta: {} };
}

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

function idOf(found: KeyRecord | 'absent'): string {
  return found === 'absent' ? 'absent' : found.id;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
