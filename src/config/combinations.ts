import { createPrivateKey, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { bootstrapClientFile, firstAdministratorFile, keyEncryptionKeyFile } from './first-start-files.ts';
import { quote } from './quote.ts';
import { nameOf, permitted, rows, SETTINGS, type SettingProperty, type SettingValues } from './schema.ts';
import type { Sources } from './sources.ts';

/** Both or neither of each pair: half of one would silently be none. */
const PAIRS = [
  ['bootstrapClientId', 'bootstrapClientSecret'],
  ['tlsCertificate', 'tlsPrivateKey'],
  ['auditCheckpointFile', 'auditCheckpointKey'],
] as const satisfies readonly (readonly [SettingProperty, SettingProperty])[];

/**
 * What is wrong with settings only in combination. A value that is wrong by itself is not looked at again.
 *
 * @returns a problem a line
 */
export function combinationProblems(values: Partial<SettingValues>, sources: Sources): string[] {
  return [
    ...pairProblems(sources.given),
    ...keyEncryptionKeyProblems(values, sources.given),
    ...olderKeyProblems(values),
    ...withoutCheckpointsProblems(sources.given),
    ...tlsProblems(values),
    ...sharedSecrets(sources.sent),
    ...sharedFiles(values, sources),
  ];
}

function pairProblems(given: Sources['given']): string[] {
  return PAIRS.flatMap(([one, other]) => {
    if (given.has(one) === given.has(other)) return [];
    const [present, missing] = given.has(one) ? [one, other] : [other, one];
    return `${nameOf(missing)}: missing, though ${nameOf(present)} is given; permitted: both or neither`;
  });
}

function keyEncryptionKeyProblems({ store }: Partial<SettingValues>, given: Sources['given']): string[] {
  if (store?.kind !== 'mongodb' || given.has('keyEncryptionKey')) return [];
  return [
    `${nameOf('keyEncryptionKey')}: missing; with MongoDB it is required, since every process has to open the same keys; permitted: ${permitted(SETTINGS.keyEncryptionKey)}`,
  ];
}

/** What is of no use, or of harm, where no checkpoints are written. */
function withoutCheckpointsProblems(given: Sources['given']): string[] {
  if (given.has('auditCheckpointFile')) return [];
  const [file, url, days] = [
    nameOf('auditCheckpointFile'),
    nameOf('auditCheckpointUrl'),
    nameOf('auditRetentionDays'),
  ];
  return [
    ...(given.has('auditCheckpointUrl')
      ? [
          `${file}: missing, though ${url} is given; permitted: with the file, in which checkpoints wait until they are acknowledged`,
        ]
      : []),
    ...(given.has('auditRetentionDays')
      ? [
          `${file}: missing, though ${days} is given; permitted: with checkpoints, as without them nobody could tell what was removed on purpose`,
        ]
      : []),
  ];
}

function olderKeyProblems({
  keyEncryptionKey,
  olderKeyEncryptionKeys = [],
}: Partial<SettingValues>): string[] {
  if (!keyEncryptionKey || !olderKeyEncryptionKeys.some(key => key.equals(keyEncryptionKey))) return [];
  return [
    `${nameOf('olderKeyEncryptionKeys')}: one of them is ${nameOf('keyEncryptionKey')}; permitted: keys that came before it`,
  ];
}

function tlsProblems({ issuer, tlsCertificate, tlsPrivateKey }: Partial<SettingValues>): string[] {
  if (tlsCertificate === undefined) return [];
  const problems: string[] = [];
  if (issuer?.startsWith('http://')) {
    problems.push(
      `${nameOf('issuer')}: ${quote(issuer)} is not permitted together with ${nameOf('tlsCertificate')}; permitted: an https:// issuer`,
    );
  }
  const key = tlsPrivateKey && createPrivateKey(tlsPrivateKey.reveal());
  if (key && !new X509Certificate(tlsCertificate).checkPrivateKey(key)) {
    problems.push(
      `${nameOf('tlsPrivateKey')}: the key does not belong to the certificate in ${nameOf('tlsCertificate')}; permitted: the two of one pair`,
    );
  }
  return problems;
}

/** One secret with two uses is lost twice when it is lost once. */
function sharedSecrets(sent: Sources['sent']): string[] {
  const users = rows().flatMap(([property, setting]) => {
    const source = sent.get(property);
    return setting.secret && source !== undefined ? [source] : [];
  });
  return users.flatMap((one, index) =>
    users
      .slice(index + 1)
      .filter(other => other.text === one.text)
      .map(other => `${one.name}, ${other.name}: both hold the same secret; permitted: one secret for each`),
  );
}

/** A file that the server writes must not be one that it reads, nor one that it writes for another purpose. */
function sharedFiles(values: Partial<SettingValues>, { sent, given }: Sources): string[] {
  const { store, auditCheckpointFile, dataDirectory } = values;
  const written: { name: string; path: string }[] = [];
  if (store?.kind === 'sqlite') {
    // The write-ahead log and its index stand beside the file.
    for (const suffix of ['', '-wal', '-shm'])
      written.push({ name: nameOf('store'), path: store.path + suffix });
  }
  if (auditCheckpointFile !== undefined) {
    // What a receiver has acknowledged of it stands beside it.
    for (const suffix of ['', '.acknowledged'])
      written.push({ name: nameOf('auditCheckpointFile'), path: auditCheckpointFile + suffix });
  }
  if (dataDirectory !== undefined && !given.has('keyEncryptionKey')) {
    written.push({ name: nameOf('dataDirectory'), path: keyEncryptionKeyFile(dataDirectory) });
  }
  if (dataDirectory !== undefined && !given.has('bootstrapClientId')) {
    written.push({ name: nameOf('dataDirectory'), path: bootstrapClientFile(dataDirectory) });
  }
  if (dataDirectory !== undefined) {
    written.push({ name: nameOf('dataDirectory'), path: firstAdministratorFile(dataDirectory) });
  }
  const read = [...sent.values()].flatMap(({ name, path }) => (path === undefined ? [] : [{ name, path }]));
  return written.flatMap((one, index) =>
    [...written.slice(index + 1), ...read]
      .filter(other => resolve(other.path) === resolve(one.path))
      .map(other => `${one.name}, ${other.name}: both use the same file; permitted: a file for each`),
  );
}
