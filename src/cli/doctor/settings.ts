import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  type Config,
  ConfigError,
  certificateEndsAt,
  loadConfig,
  privateFilesOf,
} from '../../config/index.ts';
import { bad, type Finding, ok, warning } from './finding.ts';

const DAY_MS = 86_400_000;
const CERTIFICATE_WARNING_DAYS = 14;
const CHECKPOINT_LATE_MS = 300_000;
const LEAST_FREE_BYTES = 1_000_000_000;
/** Types of network file systems (statfs(2)): NFS, SMB, CIFS, SMB2, 9P, FUSE. SQLite's locks cannot be trusted there. */
const NETWORK_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546,
]);

/** Reads the settings of the server that this directory would start. */
export function checkSettings(): { readonly config?: Config; readonly findings: readonly Finding[] } {
  try {
    const config = loadConfig(process.env);
    return { config, findings: [ok('settings', 'all are permitted')] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return {
      findings: error.problems.map(problem =>
        bad('settings', problem, 'as the line says; docs/configuration.md has every setting'),
      ),
    };
  }
}

/** What the settings lead to on this machine. */
export function checkMachine(config: Config, now: number): readonly Finding[] {
  return [
    ...checkExposure(config),
    ...checkCertificate(config, now),
    ...checkPrivateFiles(config),
    ...checkDisk(config),
    ...checkCheckpoints(config, now),
  ];
}

function checkExposure({ host, tls, issuer, trustedProxies }: Config): readonly Finding[] {
  const isLocal = ['127.0.0.1', '::1', 'localhost'].includes(host);
  const isPublic = issuer?.startsWith('https://') === true;
  const check = 'exposure';
  if (!isLocal && !tls && !isPublic) {
    return [
      bad(
        check,
        `${host} is open to other machines over plain HTTP, and the issuer is ${issuer ?? 'not set'}`,
        'set the issuer to the https:// URL that clients use, with TLS here (COUNTERSIGN_TLS_CERT_FILE) or in a proxy in front',
      ),
    ];
  }
  if (isPublic && !tls && trustedProxies.length === 0) {
    return [
      warning(
        check,
        'TLS is spoken by a proxy in front, but no proxy is trusted: all callers share its address in trail and limits',
        'name the address of the proxy in COUNTERSIGN_TRUSTED_PROXIES',
      ),
    ];
  }
  return [ok(check, `listens on ${host}${tls ? ' with TLS' : ''}`)];
}

function checkCertificate({ tls, issuer }: Config, now: number): readonly Finding[] {
  if (!tls) return [];
  const check = 'certificate';
  const endsAt = certificateEndsAt(tls);
  const ends = `${tls.certificateFile} ends ${new Date(endsAt).toISOString()}`;
  if (endsAt <= now) return [bad(check, ends, 'renew it: clients refuse it now')];
  if (endsAt < now + CERTIFICATE_WARNING_DAYS * DAY_MS) return [warning(check, ends, 'renew it')];
  return [ok(check, `${ends}, for ${issuer}`)];
}

/** Files that make whoever reads them the server. */
function checkPrivateFiles(config: Config): readonly Finding[] {
  const check = 'private files';
  const files = privateFilesOf(config).filter(existsSync);
  const open = files.filter(file => (statSync(file).mode & 0o077) !== 0);
  if (open.length > 0) {
    return open.map(file =>
      bad(
        check,
        `${file} can be read or written by others (mode ${(statSync(file).mode & 0o777).toString(8)})`,
        `chmod 600 ${file}`,
      ),
    );
  }
  return [
    ok(
      check,
      files.length === 0 ? 'none yet: the first start makes them' : `only you can read ${files.join(', ')}`,
    ),
  ];
}

function checkDisk({ store }: Config): readonly Finding[] {
  if (store.kind !== 'sqlite') return [];
  const check = 'disk';
  const directory = dirname(resolve(store.path));
  if (!existsSync(directory)) return [];
  const { bavail, bsize, type } = statfsSync(directory);
  const free = bavail * bsize;
  const shown = `${(free / 1e9).toFixed(1)} GB free in ${directory}`;
  if (NETWORK_FILE_SYSTEMS.has(type)) {
    return [
      bad(
        check,
        `${directory} is on a network file system`,
        'put the store on a local disk: SQLite loses data where locks lie',
      ),
    ];
  }
  if (free < LEAST_FREE_BYTES) {
    return [warning(check, shown, 'make room: without it nothing can be recorded, so nothing is granted')];
  }
  return [ok(check, shown)];
}

function checkCheckpoints({ auditCheckpoint }: Config, now: number): readonly Finding[] {
  const check = 'checkpoints';
  if (!auditCheckpoint) {
    return [
      warning(
        check,
        'the trail is not signed: whoever holds the store could rewrite its end',
        'set COUNTERSIGN_AUDIT_CHECKPOINT_FILE and COUNTERSIGN_AUDIT_CHECKPOINT_KEY_FILE',
      ),
    ];
  }
  const { file } = auditCheckpoint;
  if (!existsSync(file) || readFileSync(file).length === 0) return [ok(check, `${file} has none yet`)];
  const age = now - statSync(file).mtimeMs;
  const shown = `the last one in ${file} is ${Math.round(age / 1000)} s old`;
  // Nothing is signed while nothing happens, and nothing happens where no server runs.
  return age > CHECKPOINT_LATE_MS
    ? [warning(check, shown, 'if the server is running and in use, read its log for why none is written')]
    : [ok(check, shown)];
}
