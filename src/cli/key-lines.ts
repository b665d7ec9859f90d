// A key, as lines for people.
import type { KeyView, SecretView } from '../manage/key-view.ts';
import { tableLines } from './table.ts';

/** Heads of the columns of {@link keyRow}. */
export const KEY_COLUMNS = ['ID', 'STATE', 'OWNER', 'NAME', 'SECRET', 'PLAN', 'EXPIRES', 'CREATED'];

/** One key as a row of a table. */
export function keyRow(view: KeyView): string[] {
  const isRetiring = view.secrets.some(({ state }) => state === 'retiring');
  const needsPrevious = view.secrets.some(({ pepper }) => pepper === 'previous');
  return [
    view.id,
    view.state,
    view.owner ?? '-',
    view.name ?? '-',
    `${hintOf(view.secrets[0])}${isRetiring ? ' +1 retiring' : ''}${needsPrevious ? ', previous pepper' : ''}`,
    view.plan ?? '-',
    view.expires === null ? 'never' : shortTime(view.expires),
    shortTime(view.createdAt),
  ];
}

/** One key as aligned lines: everything but its warnings. */
export function keyLines(view: KeyView): string[] {
  const rows: (readonly [string, string])[] = [
    ['id', view.id],
    ['state', view.state],
    ['owner', view.owner ?? '-'],
    ['name', view.name ?? '-'],
    ['declared', view.declared ? 'yes: what it may do stands in the configuration' : 'no'],
    ['roles', listText(view.roles, 'none')],
    ['scopes', listText(view.scopes, 'none')],
    ['may do', listText(view.effectiveScopes, 'nothing that asks for a scope')],
    ['allow', listText(view.networks.allow, 'any address')],
    ['deny', listText(view.networks.deny, 'none')],
    ['plan', view.plan ?? 'none'],
    ['expires', view.expires ?? 'never'],
    [
      'meta',
      listText(
        Object.entries(view.meta).map(([name, value]) => `${name}=${value}`),
        'none',
      ),
    ],
    ...view.secrets.map((secret): [string, string] => ['secret', secretText(secret)]),
    ['created', view.createdAt],
    ['updated', `${view.updatedAt} (revision ${view.revision})`],
  ];
  return tableLines(rows);
}

function secretText({ state, hint, createdAt, endsAt, pepper }: SecretView): string {
  const text = hint ?? 'known by its SHA-256 only';
  const times = state === 'retiring' ? `${text}, retiring: works until ${endsAt}` : `${text}, since ${createdAt}`;
  return `${times}${PEPPER_WORDS[pepper]}`;
}

const PEPPER_WORDS: Readonly<Record<SecretView['pepper'], string>> = {
  current: '',
  previous: ', needs a previous pepper',
  unknown: ', does not work: its pepper is not in the configuration',
};

function hintOf(secret: SecretView | undefined): string {
  return secret ? (secret.hint ?? 'sha256') : '-';
}

function listText(list: readonly string[], none: string): string {
  return list.length === 0 ? none : list.join(' ');
}

/** `2026-11-23 23:05`, UTC. */
function shortTime(text: string): string {
  return text.slice(0, 16).replace('T', ' ');
}
