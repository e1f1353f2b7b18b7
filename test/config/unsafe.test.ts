import { readFileSync } from 'node:fs';
import test from 'ava';
import { FIT_NODE, runtimeProblems } from '../../src/config/runtime-switches.ts';
import { CLIENT_ID, CLIENT_SECRET, COMPLETE, KEY_ENCRYPTION_KEY, load, problemsOf } from './environments.ts';

const KEY = { COUNTERSIGN_KEY_ENCRYPTION_KEY: KEY_ENCRYPTION_KEY };
const CLIENT = {
  COUNTERSIGN_BOOTSTRAP_CLIENT_ID: CLIENT_ID,
  COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: CLIENT_SECRET,
};
const CHECKPOINT = {
  COUNTERSIGN_AUDIT_CHECKPOINT_FILE: '/mnt/worm/checkpoints.jsonl',
  COUNTERSIGN_AUDIT_CHECKPOINT_KEY_FILE: '/run/secrets/checkpoint.pem',
};
const TLS = {
  COUNTERSIGN_TLS_CERT_FILE: '/run/secrets/tls.pem',
  COUNTERSIGN_TLS_KEY_FILE: '/run/secrets/tls-key.pem',
};
const mongodb = (options: string) => ({ ...KEY, COUNTERSIGN_STORE: `mongodb://db/countersign?${options}` });

/** What must not run: the environment, and the one line that refuses it. Goal G17. */
const UNSAFE: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  [
    'an http issuer that others can reach',
    { COUNTERSIGN_ISSUER: 'http://auth.example.org' },
    /^COUNTERSIGN_ISSUER: .*anybody on the way/,
  ],
  [
    'an http issuer beside TLS',
    { ...TLS, COUNTERSIGN_ISSUER: 'http://localhost:4444' },
    /^COUNTERSIGN_ISSUER: .*COUNTERSIGN_TLS_CERT_FILE/,
  ],
  [
    'an issuer with a password',
    { COUNTERSIGN_ISSUER: 'https://a:b@auth.example.org' },
    /user name or password/,
  ],
  [
    'an issuer in a spelling of its own',
    { COUNTERSIGN_ISSUER: 'https://auth.example.org/' },
    /did you mean "https:\/\/auth.example.org"/,
  ],
  ['an issuer no client can call', { COUNTERSIGN_ISSUER: 'https://0.0.0.0' }, /^COUNTERSIGN_ISSUER: /],
  ['a store in memory', { COUNTERSIGN_STORE: 'sqlite::memory:' }, /forgets every revocation/],
  ['a store without locks', { COUNTERSIGN_STORE: 'sqlite:file:x?nolock=1' }, /file: URI/],
  ['writes that a failover can take back', mongodb('w=1'), /option w /],
  ['writes that nobody acknowledges', mongodb('w=0'), /option w /],
  ['writes that a crash can take back', mongodb('journal=false'), /option journal/],
  ['reads from a secondary', mongodb('readPreference=nearest'), /option readpreference/],
  ['reads that a failover can take back', mongodb('readConcernLevel=available'), /option readconcernlevel/],
  [
    'a database that anybody can play',
    mongodb('tls=true&tlsAllowInvalidCertificates=true'),
    /tlsallowinvalidcertificates/,
  ],
  ['encryption switched off', mongodb('tls=false'), /option tls /],
  [
    'MongoDB without a key-encryption key',
    { COUNTERSIGN_STORE: 'mongodb://db/countersign' },
    /^COUNTERSIGN_KEY_ENCRYPTION_KEY: missing/,
  ],
  ['a key of zeros', { COUNTERSIGN_KEY_ENCRYPTION_KEY: '0'.repeat(64) }, /not random/],
  [
    'a key of one piece repeated',
    { COUNTERSIGN_KEY_ENCRYPTION_KEY: '00112233445566778899aabbccddeeff'.repeat(2) },
    /repeats itself/,
  ],
  [
    'a key that counts',
    { COUNTERSIGN_KEY_ENCRYPTION_KEY: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f' },
    /counts up/,
  ],
  [
    'a key that is a passphrase',
    { COUNTERSIGN_KEY_ENCRYPTION_KEY: Buffer.from('correct horse battery staple #42').toString('hex') },
    /text/,
  ],
  [
    'a key that is too short',
    { COUNTERSIGN_KEY_ENCRYPTION_KEY: KEY_ENCRYPTION_KEY.slice(0, 32) },
    /32 bytes/,
  ],
  ['an empty key', { COUNTERSIGN_KEY_ENCRYPTION_KEY: '' }, /""/],
  ['a key that failed to load', { COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '/run/secrets/empty' }, /empty/],
  ['two keys', { ...KEY, COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '/run/secrets/zero' }, /both are given/],
  [
    'a default client secret',
    { ...CLIENT, COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: `changeme-${CLIENT_SECRET}` },
    /placeholder/,
  ],
  ['a short client secret', { ...CLIENT, COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: 'correct-horse' }, /43 to 256/],
  [
    'a client without a secret',
    { COUNTERSIGN_BOOTSTRAP_CLIENT_ID: CLIENT_ID },
    /^COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: missing/,
  ],
  [
    'a client with a name that can be guessed or taken',
    { ...CLIENT, COUNTERSIGN_BOOTSTRAP_CLIENT_ID: 'admin' },
    /^COUNTERSIGN_BOOTSTRAP_CLIENT_ID: "admin"/,
  ],
  [
    'one secret for two purposes',
    { ...CLIENT, COUNTERSIGN_KEY_ENCRYPTION_KEY: CLIENT_SECRET },
    /same secret/,
  ],
  ['tokens of more than an hour', { COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: '3601' }, /30 to 3600/],
  ['tokens without an end', { COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: '0' }, /30 to 3600/],
  ['forwarded headers from everybody', { COUNTERSIGN_TRUSTED_PROXIES: '0.0.0.0/0' }, /trust strangers/],
  [
    'forwarded headers from everybody, in two halves',
    { COUNTERSIGN_TRUSTED_PROXIES: '0.0.0.0/1,128.0.0.0/1' },
    /trust strangers/,
  ],
  [
    'forwarded headers from all of IPv4 in IPv6',
    { COUNTERSIGN_TRUSTED_PROXIES: '::ffff:0:0/96' },
    /written as IPv6/,
  ],
  ['an empty list of proxies that failed to expand', { COUNTERSIGN_TRUSTED_PROXIES: '' }, /""/],
  ['further hosts that are URLs', { COUNTERSIGN_FURTHER_HOSTS: 'https://a.example' }, /no host name/],
  ['any further host', { COUNTERSIGN_FURTHER_HOSTS: 'a.internal,*' }, /"\*" is no host name/],
  ['an empty list of further hosts', { COUNTERSIGN_FURTHER_HOSTS: '' }, /""/],
  [
    'TLS without its key',
    { COUNTERSIGN_TLS_CERT_FILE: '/run/secrets/tls.pem' },
    /^COUNTERSIGN_TLS_KEY_FILE: missing/,
  ],
  [
    'TLS with the key of another',
    { ...TLS, COUNTERSIGN_TLS_KEY_FILE: '/run/secrets/other-key.pem' },
    /does not belong/,
  ],
  [
    'checkpoints that nobody signs',
    { COUNTERSIGN_AUDIT_CHECKPOINT_FILE: '/mnt/worm/c' },
    /^COUNTERSIGN_AUDIT_CHECKPOINT_KEY: missing/,
  ],
  [
    'checkpoints to be posted that are written nowhere',
    { COUNTERSIGN_AUDIT_CHECKPOINT_URL: 'https://siem.example/in' },
    /^COUNTERSIGN_AUDIT_CHECKPOINT_FILE: missing/,
  ],
  [
    'a trail that is not kept for ever, with nothing to vouch for what was removed',
    { COUNTERSIGN_AUDIT_RETENTION_DAYS: '30' },
    /^COUNTERSIGN_AUDIT_CHECKPOINT_FILE: missing/,
  ],
  [
    'checkpoints signed with the key of TLS',
    { ...TLS, ...CHECKPOINT, COUNTERSIGN_AUDIT_CHECKPOINT_KEY_FILE: '/run/secrets/tls-key.pem' },
    /same secret/,
  ],
  [
    'checkpoints in the store',
    { ...CHECKPOINT, COUNTERSIGN_AUDIT_CHECKPOINT_FILE: './var/../var/countersign.sqlite-wal' },
    /same file/,
  ],
  [
    'checkpoints over the key they are signed with',
    { ...CHECKPOINT, COUNTERSIGN_AUDIT_CHECKPOINT_FILE: '/run/secrets/checkpoint.pem' },
    /same file/,
  ],
  [
    'the store where the key-encryption key goes',
    { COUNTERSIGN_STORE: 'sqlite:var/key-encryption-key' },
    /same file/,
  ],
  ['a mistyped name', { COUNTERSIGN_TRUSTED_PROXYS: '10.0.0.1' }, /did you mean COUNTERSIGN_TRUSTED_PROXIES/],
  [
    'a name in lower case',
    { countersign_issuer: 'https://auth.example.org' },
    /did you mean COUNTERSIGN_ISSUER/,
  ],
  [
    'certificates of others unchecked',
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    /^NODE_TLS_REJECT_UNAUTHORIZED/,
  ],
  [
    'a lenient HTTP parser',
    { NODE_OPTIONS: '--max-http-header-size=1 --insecure-http-parser' },
    /^NODE_OPTIONS: "--insecure-http-parser"/,
  ],
  ['an old TLS', { NODE_OPTIONS: '--tls-min-v1.0' }, /^NODE_OPTIONS: "--tls-min-v1.0"/],
];

for (const [title, env, expected] of UNSAFE) {
  test(`refuses to start: ${title}`, t => {
    const problems = problemsOf(t, env);
    t.is(problems.length, 1, problems.join('\n'));
    t.regex(problems[0] ?? '', expected);
  });
}

test('what the refused ones are made of is permitted by itself', t => {
  for (const env of [
    KEY,
    CLIENT,
    CHECKPOINT,
    TLS,
    mongodb('w=majority'),
    { NODE_OPTIONS: '--tls-min-v1.2' },
    COMPLETE,
  ]) {
    t.notThrows(() => load(env));
  }
});

test('a Node.js that leaves out headers beyond a limit is not permitted, by the server and by the launcher', t => {
  const isFit = (version: string): boolean => runtimeProblems({}, version).length === 0;
  const fit = ['24.18.1', '24.19.0', '24.21.0', '26.5.1', '26.6.0', '27.0.0', '28.1.0'];
  const unfit = ['20.20.2', '22.23.2', '24.15.0', '24.18.0', '25.9.0', '26.0.0', '26.5.0'];
  t.deepEqual(
    fit.filter(version => !isFit(version)),
    [],
  );
  t.deepEqual(unfit.filter(isFit), []);
  t.regex(
    runtimeProblems({}, '24.15.0')[0] ?? '',
    /^Node\.js: 24\.15\.0 is not permitted: .*; permitted: 24\.18\.1, /,
  );
  const launcher = readFileSync(new URL('../../bin/countersign.js', import.meta.url), 'utf8');
  const [, needed = ''] = /^const NEEDED = (.+);$/m.exec(launcher) ?? [];
  t.deepEqual(JSON.parse(needed.replaceAll(/(\d+):/g, '"$1":')), FIT_NODE);
});
