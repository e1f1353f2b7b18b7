/** Settings from a YAML file: the same settings, by the same rules, with line and column where something is wrong. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { type Config, ConfigError, keyOf, loadConfig, renderConfigFile } from '../../src/config/index.ts';
import { rows, variablesOf } from '../../src/config/schema.ts';
import { CLIENT_ID, CLIENT_SECRET, COMPLETE, load, MONGODB_URI } from './environments.ts';

const directory = mkdtempSync(join(tmpdir(), 'countersign-config-'));
test.after.always(() => rmSync(directory, { recursive: true }));

let files = 0;
function write(text: string, mode = 0o600): string {
  files += 1;
  const file = join(directory, `${files}.yaml`);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

function loadFile(text: string, env: NodeJS.ProcessEnv = {}, mode?: number): Config {
  return loadConfig({ ...env, COUNTERSIGN_CONFIG_FILE: write(text, mode) });
}

/** Problems without the path of the file. */
function problemsIn(text: string, env: NodeJS.ProcessEnv = {}, mode?: number): readonly string[] {
  try {
    loadFile(text, env, mode);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(problem => problem.replace(/^.*\.yaml(?=:\d)/, ''));
  }
}

test('every setting of the environment can stand in a file, under its name without the prefix', t => {
  const text = Object.entries(COMPLETE)
    .filter(([name]) => name.startsWith('COUNTERSIGN_'))
    // Nothing of it is read from another file, so that what is written here is what arrives.
    .map(([name, value]) => `${keyOf(name)}: ${JSON.stringify(value)}`)
    .join('\n');
  const fromFile = JSON.stringify(loadWithFiles(text));
  t.is(fromFile, JSON.stringify(load(COMPLETE)));
});

function loadWithFiles(text: string): Config {
  return load({ COUNTERSIGN_CONFIG_FILE: write(text) });
}

test('numbers, lists and texts are what the environment would have', t => {
  const config = loadFile('port: 8080\ntrusted_proxies:\n  - 10.0.0.0/8\n  - 192.0.2.7\nlog_level: "warn"\n');
  t.is(config.port, 8080);
  t.is(config.trustedProxies.length, 2);
  t.is(config.logLevel, 'warn');
  t.deepEqual(loadFile(''), loadConfig({}));
  t.deepEqual(loadFile('# only words\n'), loadConfig({}));
  // As it is written: a number that YAML would read otherwise is not taken for it.
  t.regex(problemsIn('port: 0x10')[0] ?? '', /^:1:7: port: "0x10" is not permitted/);
});

test('what the environment says of a setting wins, as a whole', t => {
  t.is(loadFile('port: 8080', { COUNTERSIGN_PORT: '9090' }).port, 9090);
  const secret = loadFile(`bootstrap_client_id: ${CLIENT_ID}\nbootstrap_client_secret_file: /nowhere`, {
    COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: CLIENT_SECRET,
  });
  t.is(secret.bootstrapClient?.secret.reveal(), CLIENT_SECRET);
});

test('everything that is wrong is told at once, in the order of the file, with line and column', t => {
  const problems = problemsIn(`# a file
isuer: https://auth.example.com
port: 99999
access_token_ttl: 60
log_level:
trusted_proxies: [10.0.0.0/8, 300.1.1.1]
host: {a: 1}
tls_cert_file: /nowhere.pem
`);
  const expected = [
    /^:2:1: "isuer": no such setting; did you mean issuer\?$/,
    /^:3:7: port: "99999" is not permitted; permitted: a whole number from 0 to 65535$/,
    /^:4:1: "access_token_ttl": no such setting; did you mean access_token_ttl_seconds\?$/,
    /^:5:1: log_level: "" is not permitted; permitted: trace, .*, or leaving the variable out$/,
    /^:6:18: trusted_proxies: .*"300.1.1.1" is no address/,
    /^:7:7: host: a structure is not permitted; permitted: an IP address/,
    /^:8:16: tls_cert_file: "\/nowhere.pem" cannot be read \(ENOENT\)/,
    /^:8:16: tls_key_file: missing, though tls_cert_file is given/,
  ];
  t.is(problems.length, expected.length, problems.join('\n'));
  for (const [index, pattern] of expected.entries()) t.regex(problems[index] ?? '', pattern);
});

test('a name in another style is answered with the one that was meant', t => {
  for (const name of ['COUNTERSIGN_PORT', 'Port', 'metricsPort', 'metrics-port']) {
    const meant = /metrics/i.test(name) ? 'metrics_port' : 'port';
    t.regex(problemsIn(`${name}: 1`)[0] ?? '', new RegExp(`did you mean ${meant}\\?$`), name);
  }
});

test('what is no YAML is told by line and column, and nothing else is guessed from it', t => {
  t.deepEqual(
    problemsIn('port: 1\nhost: [a\nissuer: b\n').map(problem => problem.split(' ')[0]),
    [':3:1:'],
  );
  t.regex(problemsIn('port: 1\nport: 2\n')[0] ?? '', /^:2:1: Map keys must be unique/);
  t.regex(problemsIn('- port\n')[0] ?? '', /^:1:1: no settings; permitted: lines of the form NAME: VALUE$/);
  t.regex(problemsIn('port: *nothing\n')[0] ?? '', /^:1:7: /);
});

test('a file that cannot be read is a problem, as is an empty name of one', t => {
  for (const path of [join(directory, 'nowhere.yaml'), '', directory]) {
    const error = t.throws(() => loadConfig({ COUNTERSIGN_CONFIG_FILE: path }), { instanceOf: ConfigError });
    t.regex(error.problems[0] ?? '', /^COUNTERSIGN_CONFIG_FILE: .* cannot be read/);
  }
});

test('a secret in a file that others can read is refused, and never shown', t => {
  const text = `bootstrap_client_id: ${CLIENT_ID}\nbootstrap_client_secret: ${CLIENT_SECRET}\n`;
  t.is(loadFile(text).bootstrapClient?.secret.reveal(), CLIENT_SECRET);
  for (const mode of [0o640, 0o604, 0o620, 0o644]) {
    const [problem = ''] = problemsIn(text, {}, mode);
    t.regex(
      problem,
      /^:2:26: bootstrap_client_secret: a secret is not permitted in a file that others can read/,
    );
    t.false(problem.includes(CLIENT_SECRET));
  }
  t.regex(problemsIn(`store: ${MONGODB_URI}`, {}, 0o644)[0] ?? '', /^:1:8: store: a secret/);
  t.deepEqual(problemsIn('store: sqlite:var/x.sqlite', {}, 0o644), []);
  t.false(problemsIn('bootstrap_client_secret: short')[0]?.includes('short'));
});

test('the file that is written for somebody has every setting, and those that were chosen', t => {
  const chosen = {
    issuer: 'https://auth.example.com',
    trusted_proxies: '10.0.0.0/8,192.0.2.1',
    port: '8080',
  };
  const text = renderConfigFile(chosen);
  const config = loadFile(text, {}, 0o644);
  t.deepEqual(
    config,
    loadConfig({
      COUNTERSIGN_ISSUER: chosen.issuer,
      COUNTERSIGN_TRUSTED_PROXIES: chosen.trusted_proxies,
      COUNTERSIGN_PORT: chosen.port,
    }),
  );
  for (const [, setting] of rows()) {
    const keys = Object.values(variablesOf(setting)).map(keyOf);
    t.true(
      keys.some(key => new RegExp(`^#?${key}:`, 'm').test(text)),
      setting.name,
    );
  }
  // The defaults that it shows are the defaults.
  const shown = text.replaceAll(/^#(\w+: \S.*)$/gm, '$1');
  t.deepEqual(loadFile(shown), config);
});

test('the variables of the command line mean nothing to the server', t => {
  const names = ['URL', 'CLIENT_ID', 'CLIENT_SECRET', 'CLIENT_SECRET_FILE', 'PROFILE'];
  const env = Object.fromEntries(names.map(name => [`COUNTERSIGN_${name}`, 'x']));
  t.deepEqual(loadConfig(env), loadConfig({}));
});
