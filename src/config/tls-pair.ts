import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TlsPair } from './load.ts';
import { SETTINGS } from './schema.ts';
import type { ReadFile } from './sources.ts';

/**
 * Reads a TLS pair once more from where it came from, by the rules that held at the start.
 *
 * @throws {Error} when one of the files cannot be read or is not permitted, or the two do not belong together, as while they are
 *   being replaced one after the other
 */
export function readTlsPair(
  { certificateFile, privateKeyFile }: TlsPair,
  readFile: ReadFile = readFileSync,
): TlsPair {
  const certificate = SETTINGS.tlsCertificate.schema.parse(readFile(certificateFile, 'utf8').trim());
  const privateKey = SETTINGS.tlsPrivateKey.schema.parse(readFile(privateKeyFile, 'utf8').trim());
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey.reveal()))) {
    throw new Error('the key does not belong to the certificate');
  }
  return { certificate, privateKey, certificateFile, privateKeyFile };
}

/** When the server certificate of a pair ends, in milliseconds since the epoch. */
export function certificateEndsAt({ certificate }: TlsPair): number {
  return new X509Certificate(certificate).validToDate.getTime();
}
