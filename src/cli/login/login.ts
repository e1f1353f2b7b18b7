import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import pc from 'picocolors';
import { z } from 'zod';
import { createClient } from '../../client/index.ts';
import { COMMAND_LINE_NAMES } from '../../config/index.ts';
import { parseUniqueJson } from '../../input/index.ts';
import { EXIT, Failure } from '../failure.ts';
import { fetchNamingUrl } from '../open-client.ts';
import { type OutputFormat, outputFormat, outputOption, print } from '../output.ts';
import { ask, askSecret, isTerminal } from '../prompt.ts';
import { assertServerUrl } from './find-server.ts';
import { findLocalServer } from './local-server.ts';
import { isProfileName, type Profile, profilesFile, readProfiles, writeProfiles } from './profiles.ts';

interface LoginOptions {
  readonly profile: string;
  readonly url?: string;
  readonly clientId?: string;
  readonly secretFile?: string;
  readonly credentials?: string;
  readonly output?: OutputFormat;
}

/** `countersign login`. */
export function loginCommand(): Command {
  const { url, clientId, clientSecret, clientSecretFile } = COMMAND_LINE_NAMES;
  return new Command('login')
    .description('Sign in to a server as an administrator')
    .option('-p, --profile <name>', 'what the server is called here', 'default')
    .option('--url <url>', 'the issuer as the server names itself; http:// on this machine only')
    .option('--client-id <id>', 'the client of the administrator')
    .option('--secret-file <file>', 'a file with its secret; - for standard input')
    .option('--credentials <file>', 'a JSON file with client_id and client_secret; - for standard input')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
What is not given is taken from ${url}, ${clientId}, ${clientSecret} and ${clientSecretFile}, then from the server that was
started in this directory; on a terminal the rest is asked for. The credentials are tried, and kept in
~/.config/countersign/profiles.json (or below XDG_CONFIG_HOME), which only you can read. A secret is never an argument, since
others see those, and is never shown.

Examples:
  countersign login --profile production --url https://auth.example.com --credentials admin.json
  countersign login --url https://auth.example.com --client-id agt_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --secret-file secret.txt`,
    )
    .action(login);
}

async function login(options: LoginOptions): Promise<void> {
  const { profile: name } = options;
  if (!isProfileName(name)) {
    throw new Failure(EXIT.usage, 'That cannot be the name of a profile.', {
      sent: name,
      permitted: 'letters, digits, dots, dashes and underscores; at most 64',
    });
  }
  const file = profilesFile();
  const before = readProfiles(file);
  const profile = await completed(options);
  assertServerUrl(profile.url, 'what was typed');
  await assertNamesItself(profile.url);
  const { url: issuer, clientId, clientSecret } = profile;
  const { scopes } = await createClient({
    issuer,
    clientId,
    clientSecret,
    fetch: fetchNamingUrl,
  }).getCaller();
  writeProfiles(file, { current: name, profiles: { ...before.profiles, [name]: profile } });
  await print(
    { profile: name, url: issuer, clientId, scopes, file },
    outputFormat(options.output),
    () =>
      `${pc.green('✔')} signed in to ${issuer} as ${clientId} (${scopes.join(', ')}): profile ${name} in ${file}`,
  );
}

/** What was typed, then what the environment has, then what this directory has; the rest is asked for. */
async function completed(options: LoginOptions): Promise<Profile> {
  const { env } = process;
  const names = COMMAND_LINE_NAMES;
  const typed = {
    ...readCredentials(options.credentials),
    ...(options.url !== undefined && { url: options.url.replace(/\/+$/, '') }),
    ...(options.clientId !== undefined && { clientId: options.clientId }),
    ...(options.secretFile !== undefined && { clientSecret: readSecret(options.secretFile) }),
  };
  const secretFile = env[names.clientSecretFile];
  const url = typed.url ?? env[names.url];
  const local = url === undefined && typed.clientId === undefined ? findLocalServer(env) : undefined;
  const known = {
    url: url ?? local?.url,
    clientId: typed.clientId ?? env[names.clientId] ?? local?.clientId,
    clientSecret:
      typed.clientSecret ??
      env[names.clientSecret] ??
      (secretFile && readSecret(secretFile)) ??
      local?.clientSecret,
  };
  const missing = [
    known.url ? [] : '--url',
    known.clientId ? [] : '--client-id or --credentials',
    known.clientSecret ? [] : '--secret-file or --credentials',
  ].flat();
  if (missing.length > 0 && !isTerminal()) {
    throw new Failure(EXIT.usage, 'Not everything was given, and nobody can be asked here.', { missing });
  }
  return {
    url: known.url || (await ask('The URL of the server (its issuer)', 'https://')).replace(/\/+$/, ''),
    clientId: known.clientId || (await ask('The client identifier', 'agt_')),
    clientSecret: known.clientSecret || (await askSecret('The secret of the client')),
  };
}

const credentials = z.object({ client_id: z.string(), client_secret: z.string() });

/** The form of the file that the first start of a server makes. */
function readCredentials(path: string | undefined): Partial<Profile> {
  if (path === undefined) return {};
  let value: unknown;
  try {
    value = parseUniqueJson(readSecret(path));
  } catch (error) {
    if (error instanceof Failure) throw error;
  }
  const read = credentials.safeParse(value);
  if (read.success) return { clientId: read.data.client_id, clientSecret: read.data.client_secret };
  throw new Failure(EXIT.usage, 'The credentials are not permitted.', {
    file: path,
    permitted: '{"client_id": "…", "client_secret": "…"}',
  });
}

function readSecret(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').trim();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(EXIT.usage, `The file cannot be read (${code}).`, { file: path });
  }
}

/** Tokens are for the issuer by its name: another spelling of it gets none, with an error that would not say so. */
async function assertNamesItself(url: string): Promise<void> {
  const response = await fetchNamingUrl(`${url}/.well-known/oauth-authorization-server`, {
    redirect: 'error',
    signal: AbortSignal.timeout(30_000),
  });
  const metadata = response.ok ? ((await response.json().catch(() => ({}))) as { issuer?: unknown }) : {};
  if (metadata.issuer === url) return;
  const named = typeof metadata.issuer === 'string' ? metadata.issuer : undefined;
  throw new Failure(EXIT.failed, named ? 'The server has another name.' : 'That is no Countersign server.', {
    sent: url,
    permitted: named ?? 'the issuer of a server; below it, /.well-known/oauth-authorization-server names it',
    status: String(response.status),
  });
}
