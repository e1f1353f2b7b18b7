import { generateKeyPairSync, randomBytes } from 'node:crypto';
import test from 'ava';
import { parseKeyEncryptionKey } from '../../src/config/index.ts';
import { SETTINGS, type SettingProperty } from '../../src/config/schema.ts';
import { CHECKPOINT_KEY, CLIENT_SECRET, KEY_ENCRYPTION_KEY, pemKey } from './environments.ts';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from './tls-pair.ts';

/** For each setting, texts at and beyond the borders of what is permitted. */
const RANGES: Readonly<
  Record<SettingProperty, { readonly good: readonly string[]; readonly bad: readonly string[] }>
> = {
  issuer: {
    good: [
      'https://auth.example.org',
      'https://auth.example.org:8443',
      'https://auth.example.org/tenant/a-b_c.d~e',
      'https://192.0.2.1',
      'https://localhost:4444',
      'http://localhost',
      'http://localhost:4444/as',
      'http://127.0.0.1:4444',
      'http://[::1]:4444',
    ],
    bad: [
      'auth.example.org',
      '//auth.example.org',
      'ftp://auth.example.org',
      'https://',
      'http://auth.example.org',
      'http://192.168.0.1:4444',
      'http://localhost.example.org',
      'http://127.0.0.2:4444',
      'https://auth.example.org/',
      'https://auth.example.org/as/',
      'https://auth.example.org?x=1',
      'https://auth.example.org/?x=1',
      'https://auth.example.org/as?x=1',
      'https://auth.example.org/as#x',
      'https://auth.example.org?',
      'https://auth.example.org#x',
      'https://auth.example.org#',
      'https://user@auth.example.org',
      'https://user:pass@auth.example.org',
      'https://AUTH.example.org',
      'HTTPS://auth.example.org',
      'https://auth.example.org:443',
      'http://localhost:80',
      'https://auth.example.org/a/../b',
      'https://auth.example.org/%61',
      'https://auth.example.org//as',
      'https://auth.example.org.',
      'https://0.0.0.0:4444',
      'https://[::]:4444',
      'https://[0:0:0:0:0:0:0:1]',
      ' https://auth.example.org',
      'https://auth.example.org ',
      'https://auth.example.org\\as',
      'https://bücher.example',
      `https://auth.example.org/${'a'.repeat(200)}`,
    ],
  },
  furtherHosts: {
    good: [
      'countersign',
      'a.internal:8443, my_service',
      '10.0.0.5:8080',
      '[fd00::7],[fd00::7]:8080',
      'A.Example',
    ],
    bad: [
      '',
      ',',
      'a,',
      '*',
      '*.internal',
      'https://a.internal',
      'a.internal/',
      'a.internal:',
      'a:70000',
      'x@a',
      'a b',
      '[::g]',
      'fd00::7',
    ],
  },
  host: {
    good: ['127.0.0.1', '0.0.0.0', '::', '::1', 'localhost', 'node-1.internal'],
    bad: [
      '127.1',
      '300.0.0.1',
      'http://localhost',
      'localhost:4444',
      '[::1]',
      'a b',
      '-a',
      '*',
      'a_b',
      '127.0.0.1/8',
    ],
  },
  port: {
    good: ['0', '1', '4444', '65535'],
    bad: [
      '-1',
      '65536',
      '4444.0',
      '0x10',
      '1e3',
      '01',
      ' 1',
      '1 ',
      '+1',
      'NaN',
      'Infinity',
      '99999999999999999999',
    ],
  },
  store: {
    good: [
      'sqlite:var/countersign.sqlite',
      'sqlite:/var/lib/countersign/store.sqlite',
      'sqlite:./a b.sqlite',
      'mongodb://localhost/countersign',
      'mongodb://user:a!b$c@db1/countersign',
      'mongodb://%2Frun%2Fmongodb-27017.sock/countersign',
      'mongodb://127.0.0.1:27017/countersign?replicaSet=rs0',
      'mongodb://user:p%40ss@db1:27017,db2:27017/countersign?authSource=admin&w=majority&journal=true&tls=true',
      'mongodb+srv://user:pass@cluster0.example.org/countersign?retryWrites=true&w=majority',
      'mongodb://[::1]:27017/countersign',
    ],
    bad: [
      'countersign.sqlite',
      'sqlite:',
      'sqlite://var/countersign.sqlite',
      'sqlite::memory:',
      'sqlite:file:x?mode=memory',
      'sqlite:FILE:x',
      'sqlite:var/',
      'sqlite: x',
      'sqlite:x\0y',
      'postgres://localhost/countersign',
      'mongodb:/localhost',
      'mongodb://',
      'mongodb:///countersign',
      'mongodb://a b/countersign',
      'mongodb://user:p@ss@host/countersign',
      'mongodb://user:p@ss/more@host/countersign',
      'mongodb://user:p/ss@host/countersign',
      'mongodb://user:12/ss?x@host/countersign',
      'mongodb://user:12?ss@host/countersign',
      'mongodb://user:p#ss@host/countersign',
      'mongodb://user:p:ss@host/countersign',
      'mongodb://user:p%ss@host/countersign',
      'mongodb://user:p[ss@host/countersign',
      'mongodb://host',
      'mongodb://host/',
      'mongodb://host/?replicaSet=rs0',
      'mongodb://host/a b',
      'mongodb://host/a.b',
      'mongodb://host/countersign?w=0',
      'mongodb://host/countersign?w=1',
      'mongodb://host/countersign?W=1',
      'mongodb://host/countersign?%77=1',
      'mongodb://host/?w=majority&w=1',
      'mongodb://host?journal=false',
      'mongodb://host/countersign?readPreference=secondaryPreferred',
      'mongodb://host/countersign?readConcernLevel=local',
      'mongodb://host/countersign?retryWrites=false',
      'mongodb://host/countersign?retryReads=false',
      'mongodb://host/countersign?tls=false',
      'mongodb://host/countersign?ssl=false',
      'mongodb://host/countersign?tlsInsecure=true',
      'mongodb://host/countersign?tlsAllowInvalidCertificates=true',
      'mongodb://host/countersign?tlsAllowInvalidHostnames=true',
    ],
  },
  dataDirectory: { good: ['var', '/var/lib/countersign', './a b'], bad: [' var', 'var\n', 'a\0b'] },
  keyEncryptionKey: {
    good: [
      KEY_ENCRYPTION_KEY,
      KEY_ENCRYPTION_KEY.toUpperCase(),
      Buffer.from(KEY_ENCRYPTION_KEY, 'hex').toString('base64url'),
    ],
    bad: [
      KEY_ENCRYPTION_KEY.slice(1),
      `${KEY_ENCRYPTION_KEY}0`,
      ` ${KEY_ENCRYPTION_KEY}`,
      `${Buffer.from(KEY_ENCRYPTION_KEY, 'hex').toString('base64url')}=`,
      '0'.repeat(64),
      'f'.repeat(64),
      'A'.repeat(43),
      // 256 bits and two more: a second spelling of another key.
      `${randomBytes(32).toString('base64url').slice(0, 42)}B`,
      'deadbeef'.repeat(8),
      // Hexadecimal digits of three kinds, in no order: nine different bytes at most.
      'c0a0ca0c00caac0a0cc0aac00acc0a0caca00c0cac0a00cca0ac0c0aca00ccaa',
      '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
      '1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100',
      '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
      Buffer.from('the quick brown fox jumps over d').toString('hex'),
      Buffer.from('correct horse battery staple #42').toString('base64url'),
    ],
  },
  olderKeyEncryptionKeys: {
    good: [
      randomKeys(1),
      randomKeys(8),
      randomKeys(2).replaceAll(',', '\n'),
      randomKeys(2).replaceAll(',', ', '),
    ],
    bad: [randomKeys(9), `${randomKeys(1)},`, `${randomKeys(1)},x`, 'a'.repeat(64), twice(randomKeys(1))],
  },
  signingKeyOverlapSeconds: { good: ['60', '600', '604800'], bad: ['59', '604801', '', '10m'] },
  signingKeyRotationDays: { good: ['0', '90', '3650'], bad: ['3651', '-1', '1.5'] },
  bootstrapClientId: {
    good: [`agt_${'0123456789abcdef'.repeat(2)}`],
    bad: [
      'admin',
      'agt_',
      `agt_${'0'.repeat(31)}`,
      `agt_${'0'.repeat(33)}`,
      `agt_${'A'.repeat(32)}`,
      `usr_${'0'.repeat(32)}`,
      `https://agt_${'0'.repeat(32)}`,
    ],
  },
  bootstrapClientSecret: {
    good: [CLIENT_SECRET, randomBytes(192).toString('base64url')],
    bad: [
      CLIENT_SECRET.slice(1),
      randomBytes(193).toString('base64url'),
      `${CLIENT_SECRET}=`,
      `${CLIENT_SECRET} `,
      'a'.repeat(43),
      'secret-'.repeat(8),
      'change-me-change-me-change-me-change-me-now-now',
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
      'zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA',
      `changeme${CLIENT_SECRET}`,
      `${CLIENT_SECRET}PASSWORD`,
      CLIENT_SECRET.slice(0, 22).repeat(2),
    ],
  },
  accessTokenTtlSeconds: {
    good: ['30', '300', '3600'],
    bad: ['29', '3601', '0', '-300', '300s', '5m', '300.5'],
  },
  assertionLifetimeSeconds: {
    good: ['60', '300', '3600'],
    bad: ['59', '3601', '0', '-300', '1h', '300.5'],
  },
  trustedProxies: {
    good: ['10.0.0.0/8', '127.0.0.1', '::1', '10.0.0.1,10.0.0.2', ' 10.0.0.1 , fd00::/8 ', '192.0.2.0/24'],
    bad: [
      '*',
      '0.0.0.0/0',
      '::/0',
      '0.0.0.0/1,128.0.0.0/1',
      '10.0.0.0/7',
      '10.0.0.0/33',
      '::1/129',
      '10.0.0.0/',
      '10.0.0.0/08',
      '10.0.0.0/8/8',
      '10.0.0.0/-1',
      '10.0.0.1,',
      ',',
      'proxy.internal',
      '10.0.0.1:80',
      'fe80::1%eth0',
      '::ffff:10.0.0.1',
      '::ffff:0:0/96',
      '::/64',
      Array.from({ length: 101 }, () => '10.0.0.1').join(','),
    ],
  },
  egressAllow: {
    good: [
      'localhost',
      'idp.internal',
      'IdP.Internal,10.0.0.0/8',
      '127.0.0.1, ::1',
      'fd00::/8',
      'xn--bcher-kva.example',
    ],
    bad: [
      '*',
      '*.internal',
      '.internal',
      'internal.',
      'https://idp.internal',
      'idp.internal:8443',
      'idp.internal/jwks',
      '0.0.0.0/0',
      '10.0.0.0/7',
      '127.1',
      '2130706433',
      '0x7f000001',
      'bücher.example',
      '::ffff:10.0.0.1',
      'a,,b',
      Array.from({ length: 101 }, () => 'a').join(','),
    ],
  },
  egressCa: { good: [TLS_CERTIFICATE, TLS_CERTIFICATE.repeat(2)], bad: ['x', TLS_PRIVATE_KEY] },
  dpopNonces: { good: ['optional', 'required'], bad: ['on', 'off', 'true', 'Required'] },
  logLevel: { good: ['trace', 'info', 'silent'], bad: ['INFO', 'verbose', 'info ', '30'] },
  metricsPort: { good: ['0', '9464', '65535'], bad: ['-1', '65536', 'off', ''] },
  metricsHost: { good: ['127.0.0.1', '0.0.0.0', '::', 'metrics.internal'], bad: ['127.1', '300.0.0.1', ''] },
  traces: { good: ['off', 'on'], bad: ['true', '1', 'On', ''] },
  addressRequestsPerSecond: { good: ['0', '1', '1000000'], bad: ['-1', '1000001', '1.5', '10/s'] },
  unknownTokensPerSecond: { good: ['0', '1', '1000000'], bad: ['-1', '1000001', '1.5', '10/s'] },
  clientTokensPerSecond: { good: ['0', '1', '1000000'], bad: ['-1', '1000001', '1.5', '10/s'] },
  maxConnections: { good: ['16', '8192', '100000'], bad: ['0', '15', '100001', 'all'] },
  keepAliveSeconds: { good: ['1', '65', '3600'], bad: ['0', '3601', '65s', '1.5'] },
  stopDelaySeconds: { good: ['0', '5', '60'], bad: ['-1', '61', '5s'] },
  shutdownSeconds: { good: ['0', '10', '300'], bad: ['-1', '301', '10s'] },
  tlsCertificate: { good: [TLS_CERTIFICATE], bad: ['x', TLS_PRIVATE_KEY] },
  tlsPrivateKey: { good: [TLS_PRIVATE_KEY, rsaKey(2048)], bad: ['x', TLS_CERTIFICATE, rsaKey(1024)] },
  auditCheckpointFile: { good: ['/mnt/worm/checkpoints.jsonl'], bad: [' x', 'a\0b'] },
  auditCheckpointKey: {
    good: [CHECKPOINT_KEY],
    bad: ['x', TLS_CERTIFICATE, pemKey('P-384'), pemKey('secp256k1')],
  },
  auditRetentionDays: { good: ['1', '365', '36500'], bad: ['0', '36501', '1.5'] },
  auditCheckpointUrl: {
    good: ['https://siem.example/in', 'https://10.0.0.1:8443/a?token=b'],
    bad: [
      'http://siem.example/in',
      'https://user@siem.example/in',
      'https://siem.example/in#a',
      'https://siem.example./in',
      'https://siem.example/i n',
      'siem.example/in',
    ],
  },
};

for (const [property, { good, bad }] of Object.entries(RANGES)) {
  const { name, schema } = SETTINGS[property as SettingProperty];
  test(`${name} takes what is permitted and nothing else`, t => {
    for (const text of good) t.true(schema.safeParse(text).success, text);
    for (const text of bad) t.false(schema.safeParse(text).success, text);
  });
}

test('a key-encryption key in hexadecimal and in base64url is the same key', t => {
  const bytes = Buffer.from(KEY_ENCRYPTION_KEY, 'hex');
  t.true(
    parseKeyEncryptionKey(bytes.toString('base64url')).equals(parseKeyEncryptionKey(KEY_ENCRYPTION_KEY)),
  );
});

test('random keys and client secrets are never called guessable', t => {
  for (let round = 0; round < 5000; round += 1) {
    const text = randomBytes(32).toString('base64url');
    t.true(SETTINGS.keyEncryptionKey.schema.safeParse(text).success);
    t.true(SETTINGS.bootstrapClientSecret.schema.safeParse(text).success);
  }
});

function rsaKey(modulusLength: number): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function randomKeys(count: number): string {
  return Array.from({ length: count }, () => randomBytes(32).toString('hex')).join(',');
}

function twice(text: string): string {
  return `${text},${text}`;
}
