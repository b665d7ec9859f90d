// The answers table of docs/answers.md, from the catalogue in the code.
import { ANSWERS, type Answer } from '../../src/core/reasons.ts';

/** What an answer carries besides its code, for the table's last column. */
const ALSO: Partial<Record<keyof typeof ANSWERS, string>> = {
  key_missing: '`WWW-Authenticate` with a `Bearer` and an `ApiKey` challenge',
  key_invalid: '`WWW-Authenticate` with `error="invalid_token"`',
  scope_missing: '`missing` in the body; `WWW-Authenticate` with `error="insufficient_scope"`',
  method_not_allowed: '`Allow`',
  upgrade_refused: '`Upgrade`',
  rate_limited: '`Retry-After`, `RateLimit`; `violated-policies` in the body',
  concurrency_exceeded: '`Retry-After: 1`',
  address_blocked: '`Retry-After`',
  store_unavailable: '`Retry-After: 1`',
};

export function answersTable(): string {
  const rows = Object.entries<Answer>(ANSWERS).map(([code, { status, title, when, closes }]) => {
    const also = [ALSO[code as keyof typeof ANSWERS], closes && '`Connection: close`'].filter(Boolean).join('; ');
    return `| ${status} | \`${code}\` | ${title} | ${when} | ${also} |`;
  });
  return ['| status | code | title | when | also |', '|---|---|---|---|---|', ...rows].join('\n');
}
