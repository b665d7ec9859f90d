// A certificate authority of one's own, and a server's certificate from it, made with openssl.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TempDir } from './temp-dir.ts';

const run = promisify(execFile);

export interface ServerCertificate {
  /** Paths of PEM files: the authority's certificate, the server's, and its key. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** @param names what the certificate is for, such as `IP:127.0.0.1,DNS:localhost` */
export async function makeCertificate(dir: TempDir, names: string): Promise<ServerCertificate> {
  const [ca, caKey, cert, key] = ['ca.pem', 'ca.key', 'server.pem', 'server.key'].map((name) => dir.file(name)) as [
    string,
    string,
    string,
    string,
  ];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', ['req', '-x509', ...curve, '-subj', '/CN=test authority', '-keyout', caKey, '-out', ca]);
  const extensions = ['-addext', `subjectAltName=${names}`, '-addext', 'basicConstraints=critical,CA:FALSE'];
  const issued = ['-CA', ca, '-CAkey', caKey, '-subj', '/CN=server', '-keyout', key, '-out', cert];
  await run('openssl', ['req', '-x509', ...curve, ...issued, ...extensions]);
  return { ca, cert, key };
}
