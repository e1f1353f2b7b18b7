import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { newClientSecret } from './clients/index.ts';
import { newId } from './ids.ts';

/** The credentials of the client with which everything else is set up. */
export interface BootstrapClient {
  readonly clientId: `agt_${string}`;
  readonly secret: string;
}

/**
 * The key-encryption key that was made at first start, in a file that only we can read. It never enters the store.
 *
 * @returns base64url of 32 bytes
 */
export function readOrMakeKeyEncryptionKey(path: string): string {
  return readOrMake(path, () => randomBytes(32).toString('base64url'));
}

/**
 * The bootstrap administrator's credentials, made once. The file is written before the client is registered, so that a crash
 * in between loses nothing; the secret is in no log.
 */
export function readOrMakeBootstrapClient(path: string, nowMs: number): BootstrapClient {
  const text = readOrMake(path, () => {
    const made = { client_id: newId('agt', nowMs), client_secret: newClientSecret() };
    return `${JSON.stringify(made, undefined, 2)}\n`;
  });
  const { client_id: clientId, client_secret: secret } = JSON.parse(text) as Record<string, string>;
  if (!clientId?.startsWith('agt_') || !secret)
    throw new Error(`${path} does not hold a client_id and a client_secret`);
  return { clientId: clientId as `agt_${string}`, secret };
}

/**
 * Writes a file that only we can read, in place of any that is there: whole, or not at all.
 */
export function writePrivateFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  writeFileSync(draft, text, { flag: 'wx', mode: 0o600, flush: true });
  renameSync(draft, path);
}

/**
 * Two processes that start together agree: a file appears under its name whole or not at all, whoever is first wins, and the
 * other reads it.
 */
function readOrMake(path: string, make: () => string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!existsSync(path)) {
    const draft = `${path}.${randomUUID()}`;
    writeFileSync(draft, make(), { flag: 'wx', mode: 0o600, flush: true });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(draft);
    }
    // A name that the power may still take away: what is sealed with the key must not outlive it.
    const directory = openSync(dirname(path), 'r');
    fsyncSync(directory);
    closeSync(directory);
  }
  return readFileSync(path, 'utf8').trim();
}
