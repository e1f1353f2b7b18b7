import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import pc from 'picocolors';
import { CONFIG_FILE_NAME, loadConfig, renderConfigFile } from '../config/index.ts';
import { EXIT, Failure } from './failure.ts';
import { ask, askChoice, askSecret, askWhether, isTerminal } from './prompt.ts';

/** Settings that can be given as flags, by their names in the file, with what is written after the flag. */
const FLAGS = {
  issuer: ['url', 'the https:// URL that clients use; without it, only this machine can use the server'],
  host: ['address', 'what to listen on; 0.0.0.0 for every network of the machine'],
  port: ['number', 'the TCP port'],
  store: ['sqlite:path', 'the file of the embedded store'],
  store_file: ['file', 'a file with the URI of a MongoDB replica set, which may have a password in it'],
  data_dir: ['directory', 'where keys and credentials are kept'],
  trusted_proxies: ['addresses', 'the proxies in front, whose word is taken for the address of a caller'],
  tls_cert_file: ['file', 'the certificate, for TLS of its own'],
  tls_key_file: ['file', 'its private key'],
  metrics_port: ['number', 'where Prometheus finds metrics'],
} as const;

type Key =
  | keyof typeof FLAGS
  | 'key_encryption_key_file'
  | 'audit_checkpoint_file'
  | 'audit_checkpoint_key_file';
type Chosen = Partial<Record<Key, string>>;

interface InitOptions {
  readonly checkpoints?: true;
  readonly yes?: true;
  readonly [flag: string]: unknown;
}

/** `countersign init`. */
export function initCommand(): Command {
  const command = new Command('init')
    .description(
      'Write a file of settings, with every setting explained in it; on a terminal, ask what is not given',
    )
    .argument('[file]', 'where it goes; nothing is overwritten', 'countersign.yaml');
  for (const [key, [value, about]] of Object.entries(FLAGS))
    command.option(`--${dashed(key)} <${value}>`, about);
  return command
    .option('--checkpoints', 'sign the audit trail: a key is made for it')
    .option('-y, --yes', 'ask nothing: what is not given is left at its default')
    .addHelpText(
      'after',
      `
Only you can read the file. A key-encryption key is made for a MongoDB store, which needs one that all processes share.

Examples:
  countersign init
  countersign init --yes --issuer https://auth.example.com --trusted-proxies 10.0.0.5 --checkpoints countersign.yaml`,
    )
    .action(init);
}

async function init(file: string, options: InitOptions): Promise<void> {
  if (existsSync(file))
    throw new Failure(EXIT.usage, 'The file is there already, and is not overwritten.', { file });
  const given = givenIn(options);
  if (given.store?.startsWith('mongodb')) {
    throw new Failure(
      EXIT.usage,
      'The URI of a MongoDB may have a password in it, and others can see what is typed.',
      {
        mend: 'put it in a file, and name that with --store-file',
      },
    );
  }
  const asks = isTerminal() && !options.yes;
  const chosen = asks ? await askedFor(given) : given;
  const isSigned =
    options.checkpoints ??
    (asks &&
      (await askWhether('Sign the audit trail, so that no holder of the store can rewrite it unseen?')));
  const made: string[] = [];
  try {
    makeKeys(chosen, isSigned === true, made);
    writePrivate(file, renderConfigFile(chosen), made);
    // The environment of whoever asks has nothing to do with the file.
    loadConfig({ [CONFIG_FILE_NAME]: file });
  } catch (error) {
    for (const each of made) rmSync(each);
    throw error;
  }
  const others = made.filter(each => each !== file).map(each => `\n  made ${each}`);
  console.log(`${pc.green('✔')} ${file} is written, for you alone to read${others.join('')}
  start it:  countersign start --config ${file}
  check it:  countersign doctor --config ${file}`);
}

function givenIn(options: InitOptions): Chosen {
  const entries = Object.keys(FLAGS).flatMap(key => {
    const value = options[dashed(key).replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    return typeof value === 'string' ? [[key, value] as const] : [];
  });
  return Object.fromEntries(entries);
}

async function askedFor(given: Chosen): Promise<Chosen> {
  const chosen: Chosen = { ...given };
  const isReachKnown = ['issuer', 'host', 'tls_cert_file', 'trusted_proxies'].some(key => key in given);
  const reach = isReachKnown
    ? 'known'
    : await askChoice('Who uses the server?', {
        here: 'programs on this machine, to try it',
        proxy: 'others, through a proxy in front that speaks TLS',
        tls: 'others, with TLS of its own',
      });
  if (reach === 'proxy' || reach === 'tls') {
    chosen.issuer = await ask(
      'The URL that clients use (it is in every token, so choose well)',
      'https://auth.example.com',
    );
    chosen.host = '0.0.0.0';
  }
  if (reach === 'proxy') {
    chosen.trusted_proxies = await ask('The addresses of the proxies', '10.0.0.5', undefined, '127.0.0.1');
    if (chosen.trusted_proxies === '127.0.0.1') chosen.host = '127.0.0.1';
  }
  if (reach === 'tls') {
    chosen.tls_cert_file = await ask('The file of the certificate (PEM)', '/etc/ssl/auth.pem', mustExist);
    chosen.tls_key_file = await ask('The file of its private key (PEM)', '/etc/ssl/auth.key', mustExist);
  }
  if (given.store === undefined && given.store_file === undefined) {
    const kind = await askChoice('Where are records kept?', {
      sqlite: 'in a file (SQLite): one machine, nothing else to run',
      mongodb: 'in a MongoDB replica set: as many processes as needed',
    });
    if (kind === 'mongodb') Object.assign(chosen, { store: await askSecret('Its URI (mongodb://…)') });
  }
  return chosen;
}

function mustExist(file: string): string | undefined {
  return existsSync(file) ? undefined : 'there is no such file';
}

/** Makes the keys that the settings need, each in a file that only its owner can read. */
function makeKeys(chosen: Chosen, isSigned: boolean, made: string[]): void {
  const directory = chosen.data_dir ?? 'var';
  const isMongo = chosen.store_file !== undefined || chosen.store?.startsWith('mongodb') === true;
  if (isMongo) {
    chosen.key_encryption_key_file = join(directory, 'key-encryption-key');
    writePrivate(chosen.key_encryption_key_file, `${randomBytes(32).toString('base64url')}\n`, made);
  }
  if (!isSigned) return;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  chosen.audit_checkpoint_file = join(directory, 'checkpoints.jws');
  chosen.audit_checkpoint_key_file = join(directory, 'checkpoint-key.pem');
  writePrivate(
    chosen.audit_checkpoint_key_file,
    String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    made,
  );
  writePrivate(
    join(directory, 'checkpoint.pub.pem'),
    String(publicKey.export({ type: 'spki', format: 'pem' })),
    made,
  );
}

function writePrivate(file: string, text: string, made: string[]): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, text, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(EXIT.usage, `The file cannot be made (${code}).`, { file });
  }
  made.push(file);
}

function dashed(key: string): string {
  return key.replaceAll('_', '-');
}
