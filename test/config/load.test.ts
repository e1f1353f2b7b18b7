import { KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, inspect } from 'node:util';
import test from 'ava';
import { type Config, ConfigError, loadConfig, localIssuer } from '../../src/config/index.ts';
import {
  CHECKPOINT_KEY,
  CLIENT_ID,
  CLIENT_SECRET,
  COMPLETE,
  KEY_ENCRYPTION_KEY,
  load,
  MONGODB_URI,
  OLDER_KEY_ENCRYPTION_KEY,
  pemKey,
  problemsOf,
} from './environments.ts';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from './tls-pair.ts';

test('nothing has to be set to try it on one machine', t => {
  t.deepEqual(load({}), {
    issuer: 'http://localhost:4444',
    furtherHosts: [],
    host: '127.0.0.1',
    port: 4444,
    store: { kind: 'sqlite', path: 'var/countersign.sqlite' },
    dataDirectory: 'var',
    keyEncryptionKey: undefined,
    keyEncryptionKeyFile: 'var/key-encryption-key',
    keyEncryptionKeySource: 'var/key-encryption-key',
    olderKeyEncryptionKeys: [],
    signingKeyOverlapSeconds: 600,
    signingKeyRotationDays: 90,
    bootstrapClient: undefined,
    bootstrapClientFile: 'var/bootstrap-client.json',
    firstAdministratorFile: 'var/first-administrator-link',
    accessTokenTtlSeconds: 300,
    assertionLifetimeSeconds: 300,
    trustedProxies: [],
    egress: { allow: { hosts: [], networks: [] }, extraCa: undefined },
    dpopNonces: 'optional',
    logLevel: 'info',
    traces: false,
    metrics: undefined,
    limits: { addressRequestsPerSecond: 1_000, clientTokensPerSecond: 100, unknownTokensPerSecond: 100 },
    maxConnections: 8_192,
    keepAliveSeconds: 65,
    stopDelaySeconds: 0,
    shutdownSeconds: 10,
    tls: undefined,
    auditCheckpoint: undefined,
    auditRetentionDays: undefined,
  });
});

test('every setting can be given and arrives typed', t => {
  const config = load(COMPLETE);
  t.is(config.issuer, 'https://auth.example.org/agents');
  t.is(config.host, '0.0.0.0');
  t.is(config.port, 8443);
  t.is(config.store.kind === 'mongodb' && config.store.uri.reveal(), MONGODB_URI);
  t.is(config.keyEncryptionKeyFile, '/var/lib/countersign/key-encryption-key');
  t.is(config.keyEncryptionKey?.export().toString('hex'), KEY_ENCRYPTION_KEY);
  t.deepEqual(
    config.olderKeyEncryptionKeys.map(key => key.export().toString('hex')),
    [OLDER_KEY_ENCRYPTION_KEY],
  );
  t.is(config.signingKeyOverlapSeconds, 900);
  t.is(config.signingKeyRotationDays, 30);
  t.is(config.bootstrapClient?.id, CLIENT_ID);
  t.is(config.bootstrapClient?.secret.reveal(), CLIENT_SECRET);
  t.is(config.accessTokenTtlSeconds, 120);
  t.deepEqual(config.trustedProxies, [
    { address: '10.1.0.0', prefixLength: 16, family: 'ipv4' },
    { address: '192.0.2.7', prefixLength: 32, family: 'ipv4' },
    { address: '2001:db8::', prefixLength: 48, family: 'ipv6' },
  ]);
  t.deepEqual(config.egress.allow, {
    hosts: ['idp.internal'],
    networks: [{ address: '10.2.0.0', prefixLength: 16, family: 'ipv4' }],
  });
  t.is(config.egress.extraCa, TLS_CERTIFICATE.trim());
  t.is(config.dpopNonces, 'required');
  t.is(config.logLevel, 'warn');
  t.true(config.traces);
  t.deepEqual(config.metrics, { host: '10.0.0.5', port: 9464 });
  t.deepEqual(config.limits, {
    addressRequestsPerSecond: 250,
    clientTokensPerSecond: 20,
    unknownTokensPerSecond: 30,
  });
  t.is(config.maxConnections, 1_024);
  t.is(config.shutdownSeconds, 25);
  t.is(config.tls?.certificate, TLS_CERTIFICATE.trim());
  t.is(config.tls?.privateKey.reveal(), TLS_PRIVATE_KEY.trim());
  t.is(config.tls?.certificateFile, '/run/secrets/tls.pem');
  t.is(config.tls?.privateKeyFile, '/run/secrets/tls-key.pem');
  t.is(config.auditCheckpoint?.file, '/mnt/worm/checkpoints.jsonl');
  t.is(config.auditCheckpoint?.privateKey.export({ type: 'pkcs8', format: 'pem' }), CHECKPOINT_KEY);
});

test('all problems are reported together, one a line', t => {
  const error = t.throws(
    () =>
      load({
        COUNTERSIGN_PORT: '70000',
        COUNTERSIGN_PROT: '80',
        COUNTERSIGN_HOST: '',
        COUNTERSIGN_LOG_LEVEL: 'verbose',
        COUNTERSIGN_TLS_KEY_FILE: '/nowhere',
        COUNTERSIGN_STORE: MONGODB_URI,
      }),
    { instanceOf: ConfigError },
  );
  t.deepEqual(error?.message.split('\n'), [
    'The configuration is not permitted:',
    '  COUNTERSIGN_PROT: no such setting; did you mean COUNTERSIGN_PORT?',
    '  COUNTERSIGN_HOST: "" is not permitted; permitted: an IP address or a host name to listen on, or leaving the variable out',
    '  COUNTERSIGN_TLS_KEY_FILE: "/nowhere" cannot be read (ENOENT); permitted: the path of a readable file',
    '  COUNTERSIGN_PORT: "70000" is not permitted; permitted: a whole number from 0 to 65535',
    '  COUNTERSIGN_LOG_LEVEL: "verbose" is not permitted; permitted: trace, debug, info, warn, error, fatal, silent',
    '  COUNTERSIGN_TLS_CERT_FILE: missing, though COUNTERSIGN_TLS_KEY_FILE is given; permitted: both or neither',
    '  COUNTERSIGN_KEY_ENCRYPTION_KEY: missing; with MongoDB it is required, since every process has to open the same keys; permitted: 32 random bytes as 64 hexadecimal digits (openssl rand -hex 32) or 43 characters of base64url',
  ]);
});

test('an unknown name is refused with the one that was meant', t => {
  const meant: Record<string, string> = {
    COUNTERSIGN_PROT: 'COUNTERSIGN_PORT',
    COUNTERSIGN_ISUER: 'COUNTERSIGN_ISSUER',
    countersign_issuer: 'COUNTERSIGN_ISSUER',
    COUNTERSIGN_KEY_ENCRYPTION_KEY_FIEL: 'COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE',
    COUNTERSIGN_ACCESS_TOKEN_TTL: 'COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS',
    COUNTERSIGN_STORE_URI: 'COUNTERSIGN_STORE',
    COUNTERSIGN_ISSUER_FILE: 'COUNTERSIGN_ISSUER',
  };
  for (const [name, expected] of Object.entries(meant)) {
    t.deepEqual(problemsOf(t, { [name]: 'x' }), [`${name}: no such setting; did you mean ${expected}?`]);
  }
  t.deepEqual(problemsOf(t, { COUNTERSIGN_QUOKKA: 'x' }), [
    'COUNTERSIGN_QUOKKA: no such setting; permitted: the names in docs/configuration.md',
  ]);
});

test('what Kubernetes sets for a Service of this name is explained, not called a typing mistake', t => {
  const problems = problemsOf(t, {
    COUNTERSIGN_SERVICE_HOST: '10.0.0.1',
    COUNTERSIGN_SERVICE_PORT: '4444',
    COUNTERSIGN_PORT_4444_TCP_ADDR: '10.0.0.1',
    COUNTERSIGN_PORT: 'tcp://10.0.0.1:4444',
  });
  t.is(problems.length, 2);
  for (const problem of problems) t.regex(problem, /Kubernetes.*enableServiceLinks: false/);
});

test('names that belong to the tests, and those of others, are ignored', t => {
  t.deepEqual(load({ COUNTERSIGN_TEST_MONGODB_URI: '', PATH: '/bin', COUNTERSIGNED: 'x' }), load({}));
});

test('an empty value is refused for every variable, never taken for an absent one', t => {
  for (const name of Object.keys(COMPLETE)) {
    const problems = problemsOf(t, { ...COMPLETE, [name]: '' });
    t.true(problems[0]?.startsWith(`${name}: "" is not permitted; permitted: `), problems.join('\n'));
    t.is(problems.length, 1, problems.join('\n'));
  }
});

test('a secret comes from the environment or from a file, not from both', t => {
  const direct = load({ COUNTERSIGN_KEY_ENCRYPTION_KEY: KEY_ENCRYPTION_KEY });
  const file = load({ COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '/run/secrets/kek' });
  t.true(direct.keyEncryptionKey && file.keyEncryptionKey?.equals(direct.keyEncryptionKey));
  t.deepEqual(
    problemsOf(t, {
      COUNTERSIGN_KEY_ENCRYPTION_KEY: KEY_ENCRYPTION_KEY,
      COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '/run/secrets/kek',
    }),
    [
      'COUNTERSIGN_KEY_ENCRYPTION_KEY, COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: both are given; permitted: one of the two',
    ],
  );
});

test('a secret file that is empty, missing or bad is refused by the name of its variable', t => {
  const name = 'COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE';
  t.regex(
    problemsOf(t, { [name]: '/run/secrets/empty' })[0] ?? '',
    /^COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: the file is empty/,
  );
  t.regex(problemsOf(t, { [name]: '/nowhere' })[0] ?? '', /_KEY_FILE: "\/nowhere" cannot be read \(ENOENT\)/);
  t.regex(
    problemsOf(t, { [name]: '/run/secrets/zero' })[0] ?? '',
    /_KEY_FILE: the content of "\/run\/secrets\/zero" is not/,
  );
});

test('files are read from the disk, once', t => {
  const directory = mkdtempSync(join(tmpdir(), 'config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'kek');
  writeFileSync(path, `${KEY_ENCRYPTION_KEY}\n`, { mode: 0o600 });
  t.is(
    loadConfig({ COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: path }).keyEncryptionKey?.export().toString('hex'),
    KEY_ENCRYPTION_KEY,
  );
  t.regex(
    t.throws(() => loadConfig({ COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: directory }))?.message ?? '',
    /cannot be read \(EISDIR\)/,
  );
});

test('the configuration is frozen all the way down', t => {
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || value instanceof KeyObject) return;
    if (Object.keys(value).length > 0 || Array.isArray(value)) t.true(Object.isFrozen(value), path);
    for (const [key, member] of Object.entries(value)) visit(member, `${path}.${key}`);
  };
  visit(load(COMPLETE), 'config');
  const config = load(COMPLETE) as { -readonly [K in keyof Config]: Config[K] };
  t.throws(
    () => {
      config.port = 1;
    },
    { instanceOf: TypeError },
  );
  t.throws(() => (config.trustedProxies as unknown[]).push('0.0.0.0/0'), { instanceOf: TypeError });
});

test('no way of printing the configuration shows a secret', t => {
  const config = load(COMPLETE);
  const printed = [
    JSON.stringify(config),
    inspect(config, { depth: null, showHidden: true, getters: true, customInspect: true }),
    inspect(config, { depth: null, showHidden: true, customInspect: false }),
    format('%s %j %o %O', config, config, config, config),
    JSON.stringify({ ...config.bootstrapClient, ...config.tls, ...config.auditCheckpoint }),
    `${config.bootstrapClient?.secret}`,
    String(config.tls?.privateKey),
    Object.values(config.bootstrapClient ?? {}).join(),
  ].join('\n');
  t.is(config.bootstrapClient?.secret.reveal(), CLIENT_SECRET);
  for (const secret of secretsOf()) t.false(printed.includes(secret));
});

test('no problem shows a secret, not even one that was put in the wrong place', t => {
  const almost = `${KEY_ENCRYPTION_KEY}0`;
  const pem = pemKey('P-384');
  const lines = [
    { COUNTERSIGN_KEY_ENCRYPTION_KEY: almost },
    { COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: KEY_ENCRYPTION_KEY },
    { COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: `${CLIENT_SECRET}!`, COUNTERSIGN_BOOTSTRAP_CLIENT_ID: CLIENT_ID },
    { COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET_FILE: CLIENT_SECRET, COUNTERSIGN_BOOTSTRAP_CLIENT_ID: CLIENT_ID },
    { COUNTERSIGN_AUDIT_CHECKPOINT_KEY: pem, COUNTERSIGN_AUDIT_CHECKPOINT_FILE: 'checkpoints' },
    { COUNTERSIGN_AUDIT_CHECKPOINT_KEY_FILE: pem, COUNTERSIGN_AUDIT_CHECKPOINT_FILE: 'checkpoints' },
    { COUNTERSIGN_TLS_KEY_FILE: TLS_PRIVATE_KEY, COUNTERSIGN_TLS_CERT_FILE: '/run/secrets/tls.pem' },
    { COUNTERSIGN_STORE: `${MONGODB_URI}&w=1` },
    { COUNTERSIGN_STORE_FILE: MONGODB_URI },
    { COUNTERSIGN_ISSUER: MONGODB_URI },
    { COUNTERSIGN_ISSUER: 'https://keeper:hunter2@auth.example.org' },
    { COUNTERSIGN_HOST: MONGODB_URI },
    { COUNTERSIGN_KEY_ENCRYPTION_KYE: KEY_ENCRYPTION_KEY },
  ].flatMap(env => problemsOf(t, env));
  const printed = lines.join('\n');
  for (const secret of [...secretsOf(), ...bodyLines(pem)]) t.false(printed.includes(secret), secret);
});

test('a problem stays on one line, whatever was sent', t => {
  const [problem = ''] = problemsOf(t, { COUNTERSIGN_LOG_LEVEL: `a\nb\u001b[31m${'x'.repeat(5000)}` });
  t.notRegex(problem, /[\n\u001b]/);
  t.true(problem.length < 400);
});

test('without an issuer, the issuer is this machine under the port that is listened on', t => {
  t.is(load({ COUNTERSIGN_PORT: '8080' }).issuer, 'http://localhost:8080');
  t.is(load({ COUNTERSIGN_PORT: '80' }).issuer, 'http://localhost');
  t.is(load({ COUNTERSIGN_PORT: '0' }).issuer, undefined);
  t.is(localIssuer(49_152, false), 'http://localhost:49152');
  t.is(localIssuer(443, true), 'https://localhost');
  const tls = {
    COUNTERSIGN_TLS_CERT_FILE: '/run/secrets/tls.pem',
    COUNTERSIGN_TLS_KEY_FILE: '/run/secrets/tls-key.pem',
  };
  t.is(load(tls).issuer, 'https://localhost:4444');
});

function secretsOf(): readonly string[] {
  const bytes = Buffer.from(KEY_ENCRYPTION_KEY, 'hex');
  return [
    KEY_ENCRYPTION_KEY,
    bytes.toString('base64url'),
    bytes.toJSON().data.slice(0, 8).join(', '),
    CLIENT_SECRET,
    'hunter2',
    ...bodyLines(CHECKPOINT_KEY),
    ...bodyLines(TLS_PRIVATE_KEY),
  ];
}

/** A PEM text without its first and last line, which are no secret. */
function bodyLines(pem: string): readonly string[] {
  return pem.trim().split('\n').slice(1, -1);
}

test('a file with a secret that others can read or write is refused, where no container is handed it', t => {
  const problems = (path: string, mode: number, content = KEY_ENCRYPTION_KEY): readonly string[] => {
    const name = content.startsWith('sqlite:')
      ? 'COUNTERSIGN_STORE_FILE'
      : 'COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE';
    try {
      loadConfig(
        { [name]: path },
        () => content,
        () => 0o100000 | mode,
      );
      return [];
    } catch (error) {
      return (error as ConfigError).problems;
    }
  };
  for (const mode of [0o400, 0o440, 0o600, 0o640])
    t.deepEqual(problems('/etc/kek', mode), [], mode.toString(8));
  for (const mode of [0o404, 0o444, 0o604, 0o644]) {
    const shown = `0${mode.toString(8)}`;
    t.deepEqual(problems('/etc/kek', mode), [
      `COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: "/etc/kek" can be read by others (mode ${shown}); permitted: chmod 600, or 640 for a group of its own`,
    ]);
    t.deepEqual(problems('/run/secrets/kek', mode), []);
  }
  for (const mode of [0o620, 0o602, 0o660, 0o666]) {
    for (const path of ['/etc/kek', '/run/secrets/kek']) {
      t.regex(problems(path, mode)[0] ?? '', /can be written by others \(mode 0\d+\); permitted: chmod 600/);
    }
  }
  t.deepEqual(problems('/etc/store', 0o644, 'sqlite:x.sqlite'), [], 'where the store is, is no secret');
});

test('a MongoDB URI with what is not escaped, or without a database, is told what it lacks and shows no part of itself', t => {
  const refusal = (uri: string): string =>
    problemsOf(t, { COUNTERSIGN_STORE: uri, COUNTERSIGN_KEY_ENCRYPTION_KEY: KEY_ENCRYPTION_KEY }).join('\n');
  for (const password of ['xyq@zzk', 'xyq@zzk/more', 'xyq/zzk', 'xyq:zzk', 'xyq%zzk', '12?zzk', '12/d?zzk']) {
    const problem = refusal(`mongodb://keeper:${password}@db1/countersign`);
    t.regex(
      problem,
      /\(in its user name or password a character is not escaped \(as %40 for @\)\)/,
      password,
    );
    t.notRegex(problem, /xyq|zzk|keeper/);
  }
  for (const uri of ['mongodb://db1', 'mongodb://db1/', 'mongodb+srv://db1.example.org/?replicaSet=rs0'])
    t.regex(refusal(uri), /\(it names no database: mongodb:\/\/HOST\/DATABASE\)/);
});
