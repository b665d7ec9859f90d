// A secret reference says where a secret is, never what it is (SPEC section 2).

/** Where a secret is to be found. */
export type SecretReference =
  | { readonly ok: true; readonly kind: 'env'; readonly name: string }
  | { readonly ok: true; readonly kind: 'file'; readonly path: string }
  | { readonly ok: false; readonly problem: string };

/** Parses `env:NAME` or `file:PATH`. The problem never repeats the text, which may be a secret by mistake. */
export function parseSecretReference(text: string): SecretReference {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+-]*):(.*)$/s.exec(text) ?? [];
  switch (scheme) {
    case 'env':
      return VARIABLE.test(rest)
        ? { ok: true, kind: 'env', name: rest }
        : refused('names no environment variable; write env:NAME with letters, digits and underscores');
    case 'file':
      if (rest.startsWith('//')) return refused('is a URL; write file:PATH, like file:/run/secrets/pepper');
      return rest === '' || rest.includes('\0')
        ? refused('names no file; write file:PATH, like file:data/pepper')
        : { ok: true, kind: 'file', path: rest };
    case 'vault':
    case 'aws-sm':
      return refused(`${scheme}: references are not in this version; write env:NAME or file:PATH`);
    default:
      return refused('is not a secret reference, and a secret itself never stands here; write env:NAME or file:PATH');
  }
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

function refused(problem: string): SecretReference {
  return { ok: false, problem };
}
