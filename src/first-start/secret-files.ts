import { type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Freshness } from '../audit/index.ts';
import { newClientSecret } from '../clients/index.ts';
import {
  type Config,
  ConfigError,
  parseBootstrapClientFile,
  parseKeyEncryptionKey,
} from '../config/index.ts';
import { newId } from '../ids.ts';
import {
  assertSigningKeysOpen,
  keyEncryptionKeyName,
  SealBroken,
  type SigningKey,
  sealingKey,
} from '../keys/index.ts';
import { nameOnce } from '../name-once.ts';
import { type Deployment, isNewStore, missingKeyEncryptionKeys } from '../recovery/index.ts';

/** The credentials of the client with which everything else is set up. */
export interface BootstrapClient {
  readonly clientId: `agt_${string}`;
  readonly secret: string;
}

/** What a start asks of the store, to know whether what it needs may be made. */
export interface FirstStartStore extends Freshness {
  readonly description: string;
  findDeployment(): Promise<Deployment | undefined>;
  listSigningKeys(): Promise<readonly SigningKey[]>;
}

type FirstStartConfig = Pick<
  Config,
  | 'bootstrapClient'
  | 'bootstrapClientFile'
  | 'keyEncryptionKey'
  | 'keyEncryptionKeyFile'
  | 'keyEncryptionKeySource'
  | 'olderKeyEncryptionKeys'
>;

/**
 * The key-encryption key: the configured one, or the one in the file that the first start made. It never enters the store.
 *
 * A first start makes what nobody gave it, before anything is in the store, so that a crash in between loses nothing: this key, and the
 * credentials of the bootstrap client. Beside a store that is not new nothing is made: it would hide that what belongs to it is lost.
 *
 * @throws {ConfigError} naming the file or the setting, when the key is missing or is not the one that the store is sealed with
 */
export async function openKeyEncryptionKey(
  store: FirstStartStore,
  config: FirstStartConfig,
  nowMs: number,
): Promise<KeyObject> {
  await store.fresh();
  const [deployment, signingKeys] = await Promise.all([store.findDeployment(), store.listSigningKeys()]);
  const isNew = isNewStore(deployment, signingKeys);
  const key = config.keyEncryptionKey ?? readKeyEncryptionKey(config.keyEncryptionKeyFile, isNew, store);
  assertRightKey(store, config, key, deployment, signingKeys, nowMs);
  if (isNew && !config.bootstrapClient) readOrMakeBootstrapClient(config.bootstrapClientFile, nowMs);
  return key;
}

function readKeyEncryptionKey(path: string, isNew: boolean, { description }: FirstStartStore): KeyObject {
  if (!isNew && !existsSync(path)) {
    throw new ConfigError([
      `${path}: the key-encryption key is missing, and what is in the store (${description}) is sealed with it; permitted: the file that the first start made, put back, or its content as COUNTERSIGN_KEY_ENCRYPTION_KEY`,
    ]);
  }
  const text = readOrMake(path, () => randomBytes(32).toString('base64url'));
  try {
    return parseKeyEncryptionKey(text);
  } catch (error) {
    const why = error instanceof Error ? ` (${error.message})` : '';
    throw new ConfigError([
      `${path}: it does not hold a key-encryption key${why}; permitted: what the first start wrote`,
    ]);
  }
}

/** A store that an earlier version has used has no checks yet: there the signing keys tell. */
function assertRightKey(
  { description }: FirstStartStore,
  config: FirstStartConfig,
  key: KeyObject,
  deployment: Deployment | undefined,
  signingKeys: readonly SigningKey[],
  nowMs: number,
): void {
  const sealing = sealingKey(key, config.olderKeyEncryptionKeys);
  const missing = missingKeyEncryptionKeys(deployment, sealing);
  let why = `it is sealed with the key-encryption key ${missing.join(' and ')}`;
  if (missing.length === 0) {
    try {
      assertSigningKeysOpen(signingKeys, sealing, nowMs);
      return;
    } catch (error) {
      if (!(error instanceof SealBroken)) throw error;
      why = error.message;
    }
  }
  const names = [key, ...config.olderKeyEncryptionKeys].map(keyEncryptionKeyName);
  throw new ConfigError([
    `${config.keyEncryptionKeySource}: it is not the key-encryption key of the store (${description}): ${why}; configured: ${names.join(', ')}; permitted: the key of the store, here or among COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS until \`countersign keys reseal\` is done`,
  ]);
}

/**
 * The credentials of the bootstrap client, as the first start wrote them.
 *
 * @returns undefined where there is no file: it was deleted, or the first start was told a client
 */
export function readBootstrapClient(path: string): BootstrapClient | undefined {
  return existsSync(path) ? parseBootstrapClient(path, readFileSync(path, 'utf8')) : undefined;
}

function readOrMakeBootstrapClient(path: string, nowMs: number): BootstrapClient {
  const made = { client_id: newId('agt', nowMs), client_secret: newClientSecret() };
  return parseBootstrapClient(
    path,
    readOrMake(path, () => `${JSON.stringify(made, undefined, 2)}\n`),
  );
}

function parseBootstrapClient(path: string, text: string): BootstrapClient {
  const { id, secret } = parseBootstrapClientFile(path, text);
  return { clientId: id, secret: secret.reveal() };
}

/**
 * Writes a file with the credentials of a client, which only we can read and which must not be there yet.
 *
 * @throws {Error} with `code: 'EEXIST'` where it is
 */
export function writeNewClientFile(path: string, { clientId, secret }: BootstrapClient): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const text = JSON.stringify({ client_id: clientId, client_secret: secret }, undefined, 2);
  writeFileSync(path, `${text}\n`, { flag: 'wx', mode: 0o600, flush: true });
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
      nameOnce(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !existsSync(path)) throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    // A name that the power may still take away: what is sealed with the key must not outlive it.
    const directory = openSync(dirname(path), 'r');
    fsyncSync(directory);
    closeSync(directory);
  }
  return readFileSync(path, 'utf8').trim();
}
