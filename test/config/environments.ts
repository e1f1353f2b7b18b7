import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { type Config, ConfigError, loadConfig } from '../../src/config/index.ts';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from './tls-pair.ts';

export const KEY_ENCRYPTION_KEY = randomBytes(32).toString('hex');
export const OLDER_KEY_ENCRYPTION_KEY = randomBytes(32).toString('hex');
export const CLIENT_SECRET = randomBytes(32).toString('base64url');
export const CLIENT_ID = `agt_${'0123456789abcdef'.repeat(2)}` as const;
export const MONGODB_URI = 'mongodb://keeper:hunter2@db1:27017,db2:27017/countersign?replicaSet=rs0';

/** An ES256 key, or one of another curve. */
export function pemKey(namedCurve = 'P-256'): string {
  return generateKeyPairSync('ec', { namedCurve })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

export const CHECKPOINT_KEY = pemKey();
export const CHECKPOINT_URL = 'https://siem.internal/checkpoints/d1f06c2e9b';

/** Files that exist only here: their content by path. */
const FILES: Readonly<Record<string, string>> = {
  '/run/secrets/kek': `${KEY_ENCRYPTION_KEY}\n`,
  '/run/secrets/older-keks': `${OLDER_KEY_ENCRYPTION_KEY}\n`,
  '/run/secrets/client': `  ${CLIENT_SECRET}\r\n`,
  '/run/secrets/store': MONGODB_URI,
  '/run/secrets/checkpoint.pem': CHECKPOINT_KEY,
  '/run/secrets/tls.pem': TLS_CERTIFICATE,
  '/run/secrets/tls-key.pem': TLS_PRIVATE_KEY,
  '/run/secrets/other-key.pem': pemKey(),
  '/run/secrets/empty': ' \n',
  '/run/secrets/zero': '0'.repeat(64),
};

/** Every setting given, secrets from files, all of it permitted. */
export const COMPLETE: Readonly<Record<string, string>> = {
  COUNTERSIGN_ISSUER: 'https://auth.example.org/agents',
  COUNTERSIGN_FURTHER_HOSTS: 'countersign.agents.svc:8443, 10.0.0.5',
  COUNTERSIGN_HOST: '0.0.0.0',
  COUNTERSIGN_PORT: '8443',
  COUNTERSIGN_STORE_FILE: '/run/secrets/store',
  COUNTERSIGN_DATA_DIR: '/var/lib/countersign',
  COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '/run/secrets/kek',
  COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS_FILE: '/run/secrets/older-keks',
  COUNTERSIGN_SIGNING_KEY_OVERLAP_SECONDS: '900',
  COUNTERSIGN_SIGNING_KEY_ROTATION_DAYS: '30',
  COUNTERSIGN_BOOTSTRAP_CLIENT_ID: CLIENT_ID,
  COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET_FILE: '/run/secrets/client',
  COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: '120',
  COUNTERSIGN_TRUSTED_PROXIES: '10.1.0.0/16, 192.0.2.7,2001:db8::/48',
  COUNTERSIGN_EGRESS_ALLOW: 'idp.internal, 10.2.0.0/16',
  COUNTERSIGN_EGRESS_CA_FILE: '/run/secrets/tls.pem',
  COUNTERSIGN_DPOP_NONCES: 'required',
  COUNTERSIGN_LOG_LEVEL: 'warn',
  COUNTERSIGN_TRACES: 'on',
  COUNTERSIGN_METRICS_PORT: '9464',
  COUNTERSIGN_METRICS_HOST: '10.0.0.5',
  COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND: '250',
  COUNTERSIGN_CLIENT_TOKENS_PER_SECOND: '20',
  COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND: '30',
  COUNTERSIGN_MAX_CONNECTIONS: '1024',
  COUNTERSIGN_KEEP_ALIVE_SECONDS: '620',
  COUNTERSIGN_STOP_DELAY_SECONDS: '5',
  COUNTERSIGN_SHUTDOWN_SECONDS: '25',
  COUNTERSIGN_TLS_CERT_FILE: '/run/secrets/tls.pem',
  COUNTERSIGN_TLS_KEY_FILE: '/run/secrets/tls-key.pem',
  COUNTERSIGN_AUDIT_CHECKPOINT_FILE: '/mnt/worm/checkpoints.jsonl',
  COUNTERSIGN_AUDIT_CHECKPOINT_KEY_FILE: '/run/secrets/checkpoint.pem',
  COUNTERSIGN_AUDIT_CHECKPOINT_URL: CHECKPOINT_URL,
  COUNTERSIGN_AUDIT_RETENTION_DAYS: '400',
};

/** Loads with the files above in place of the disk. */
export function load(env: Record<string, string>): Config {
  return loadConfig(env, path => {
    const content = FILES[path];
    if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return content;
  });
}

/** The problems of an environment that must be refused. */
export function problemsOf(t: ExecutionContext, env: Record<string, string>): readonly string[] {
  const error = t.throws(() => load(env), { instanceOf: ConfigError }, JSON.stringify(env));
  return error?.problems ?? [];
}
