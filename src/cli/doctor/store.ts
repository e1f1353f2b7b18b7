import { existsSync, readFileSync } from 'node:fs';
import { type Config, parseKeyEncryptionKey } from '../../config/index.ts';
import { type SigningKey, sealingKey, signingKeyStatus } from '../../keys/index.ts';
import { isNewStore, missingKeyEncryptionKeys, whyBehind } from '../../recovery/index.ts';
import { inspectStore, type StoreInspection } from '../../store/inspect-store.ts';
import { bad, type Finding, ok, warning } from './finding.ts';

/** How far clocks may be apart before tokens and proofs are judged wrongly. */
export const CLOCKS_APART_MS = 5_000;

/** Looks into the store, and at the keys in it; changes nothing. */
export async function checkStore(
  config: Config,
  now: number,
): Promise<{
  readonly keys: readonly SigningKey[];
  readonly findings: readonly Finding[];
}> {
  let inspection: StoreInspection | undefined;
  try {
    inspection = await inspectStore(config.store);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { keys: [], findings: [bad('store', `it cannot be read: ${why}`, mendStore(config))] };
  }
  if (!inspection)
    return { keys: [], findings: [ok('store', 'there is none yet: the first start makes it')] };
  return {
    keys: inspection.signingKeys,
    findings: [
      checkSchema(inspection),
      ...checkQuarantine(inspection),
      ...checkStoreClock(inspection, now),
      ...checkSigningKeys(config, inspection, now),
    ],
  };
}

function mendStore({ store }: Config): string {
  return store.kind === 'sqlite'
    ? `see who may read ${store.path} and its directory; if it is damaged, countersign restore`
    : 'see that the replica set has a primary, and that COUNTERSIGN_STORE names it';
}

function checkSchema({ description, schemaVersion, knownVersion }: StoreInspection): Finding {
  const shown = `${description}, schema ${schemaVersion}`;
  if (schemaVersion > knownVersion)
    return bad('store', `${shown}; this program knows ${knownVersion}`, 'run a newer version of Countersign');
  if (schemaVersion < knownVersion)
    return warning(
      'store',
      `${shown}; the newest is ${knownVersion}`,
      'countersign migrate, or the next start does it',
    );
  return ok('store', shown);
}

function checkQuarantine({ deployment }: StoreInspection): readonly Finding[] {
  if (!deployment?.quarantine) return [];
  const since = new Date(deployment.quarantine.since).toISOString();
  return [
    bad(
      'quarantine',
      `the store came out of a backup, ${since}: nothing is granted`,
      'countersign quarantine status',
    ),
  ];
}

function checkStoreClock(
  { newestEventAt, lastCommittedAt, clockAt }: StoreInspection,
  now: number,
): readonly Finding[] {
  const check = 'clock';
  const behind = whyBehind(now, lastCommittedAt);
  if (behind !== undefined)
    return [bad(check, `no server starts: ${behind}`, 'set the clock right, or countersign clock accept')];
  if (newestEventAt !== undefined && newestEventAt > now + CLOCKS_APART_MS) {
    return [
      bad(
        check,
        `the newest event of the trail is of ${new Date(newestEventAt).toISOString()}, which is still to come here`,
        'set the clock of this machine, or of the one that wrote the event: see `timedatectl`',
      ),
    ];
  }
  if (clockAt !== undefined && Math.abs(clockAt - now) > CLOCKS_APART_MS) {
    return [
      bad(
        check,
        `MongoDB is ${Math.round((clockAt - now) / 1000)} s ahead of this machine`,
        'keep both by NTP: see `timedatectl`',
      ),
    ];
  }
  return [ok(check, `${new Date(now).toISOString()}, after the newest event of the trail`)];
}

function checkSigningKeys(
  config: Config,
  { signingKeys: keys, deployment }: StoreInspection,
  now: number,
): readonly Finding[] {
  const check = 'signing keys';
  if (isNewStore(deployment, keys)) return [ok(check, 'none yet: the first start makes them')];
  const current = config.keyEncryptionKey ?? readKey(config.keyEncryptionKeyFile);
  if (!current) {
    return [
      bad(
        check,
        `the key-encryption key is missing (${config.keyEncryptionKeyFile}): the ${keys.length} keys in the store cannot be opened`,
        'put the key back: no server starts without it',
      ),
    ];
  }
  const sealing = sealingKey(current, config.olderKeyEncryptionKeys);
  const missing = missingKeyEncryptionKeys(deployment, sealing);
  if (missing.length > 0) {
    return [
      bad(
        check,
        `the store is sealed with the key-encryption key ${missing.join(' and ')}, which is not configured (${config.keyEncryptionKeySource})`,
        'put that key back, or give it in COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS: no server starts without it',
      ),
    ];
  }
  const broken = keys.flatMap(({ id, sealedPrivateKey }): readonly Finding[] => {
    if (sealedPrivateKey === undefined) return [];
    try {
      sealing.unseal(sealedPrivateKey, id);
      return [];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return [
        bad(
          check,
          `${id} cannot be opened: ${why}`,
          'give the key it was sealed with in COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS',
        ),
      ];
    }
  });
  if (broken.length > 0) return broken;
  const active = keys.filter(key => signingKeyStatus(key, now) === 'active');
  const stale = keys.filter(
    key => key.sealedPrivateKey !== undefined && !sealing.isCurrent(key.sealedPrivateKey),
  );
  if (active.length === 0 && keys.length > 0)
    return [warning(check, 'none signs now', 'the next start of a server makes one')];
  if (stale.length > 0)
    return [
      warning(
        check,
        `${stale.length} are sealed with an older key-encryption key`,
        'countersign keys reseal',
      ),
    ];
  return [
    ok(check, `all ${keys.length} can be opened; ${active.map(({ alg }) => alg).join(' and ')} sign now`),
  ];
}

function readKey(file: string): ReturnType<typeof parseKeyEncryptionKey> | undefined {
  return existsSync(file) ? parseKeyEncryptionKey(readFileSync(file, 'utf8').trim()) : undefined;
}
