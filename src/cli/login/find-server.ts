import { existsSync, readFileSync } from 'node:fs';
import { COMMAND_LINE_NAMES, parseIssuer } from '../../config/index.ts';
import { EXIT, Failure } from '../failure.ts';
import { findLocalServer } from './local-server.ts';
import { type FoundServer, type Profile, profilesFile, readProfiles } from './profiles.ts';

/**
 * Finds the server that is meant. What is said more closely wins: a profile by name, the environment's variables, the
 * environment's profile, the current profile, and last the server of this directory with its bootstrap client.
 *
 * @param named the profile that was named on the command line
 * @throws {Failure} when there is none, or what was said is not permitted
 */
export function findServer(named: string | undefined, env: NodeJS.ProcessEnv = process.env): FoundServer {
  if (named !== undefined) return fromProfile(named, env);
  return (
    fromEnvironment(env) ??
    fromNamedProfile(env) ??
    fromCurrentProfile(env) ??
    findLocalServer(env) ??
    notSignedIn(env)
  );
}

/**
 * The URL of a server as it is sent to: secrets go over TLS, or to this machine only.
 *
 * @throws {Failure}
 */
export function assertServerUrl(url: string, source: string): void {
  try {
    parseIssuer(url);
  } catch (error) {
    const why = error instanceof Error && error.message !== '' ? ` (${error.message})` : '';
    throw new Failure(EXIT.usage, `The URL of the server is not permitted${why}.`, {
      sent: url,
      permitted:
        'the issuer as the server names itself: https://HOST[:PORT][/PATH]; http:// on this machine only',
      from: source,
    });
  }
}

function fromProfile(name: string, env: NodeJS.ProcessEnv): FoundServer {
  const file = profilesFile(env);
  const { profiles } = readProfiles(file);
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  const known = Object.keys(profiles);
  if (profile) return found(profile, `profile ${name} in ${file}`);
  throw new Failure(EXIT.notPermitted, `There is no profile ${JSON.stringify(name)}.`, {
    permitted: known.length > 0 ? known : undefined,
    file,
    mend: `countersign login --profile ${name}`,
  });
}

function fromNamedProfile(env: NodeJS.ProcessEnv): FoundServer | undefined {
  const name = env[COMMAND_LINE_NAMES.profile];
  return name ? fromProfile(name, env) : undefined;
}

function fromCurrentProfile(env: NodeJS.ProcessEnv): FoundServer | undefined {
  const { current } = readProfiles(profilesFile(env));
  return current === undefined ? undefined : fromProfile(current, env);
}

function fromEnvironment(env: NodeJS.ProcessEnv): FoundServer | undefined {
  const { url, clientId, clientSecret, clientSecretFile } = COMMAND_LINE_NAMES;
  const given = [url, clientId, clientSecret, clientSecretFile].filter(name => env[name] !== undefined);
  if (given.length === 0) return undefined;
  const missing: string[] = [url, clientId].filter(name => !env[name]);
  if (!env[clientSecret] === !env[clientSecretFile])
    missing.push(`${clientSecret} or ${clientSecretFile}, one of the two`);
  if (missing.length > 0) {
    throw new Failure(EXIT.notPermitted, `The environment has ${given.join(', ')}, but that is not enough.`, {
      missing,
      mend: 'give all of them, or none and use a profile (countersign login)',
    });
  }
  const profile = {
    url: env[url] ?? '',
    clientId: env[clientId] ?? '',
    clientSecret: env[clientSecret] ?? readSecret(env[clientSecretFile] ?? '', clientSecretFile),
  };
  return found(profile, 'environment');
}

function found(profile: Profile, source: string): FoundServer {
  assertServerUrl(profile.url, source);
  return { ...profile, source };
}

function readSecret(path: string, from: string): string {
  if (!existsSync(path))
    throw new Failure(EXIT.usage, 'There is no file with the secret.', { file: path, from });
  return readFileSync(path, 'utf8').trim();
}

function notSignedIn(env: NodeJS.ProcessEnv): never {
  const { url, clientId, clientSecretFile } = COMMAND_LINE_NAMES;
  throw new Failure(EXIT.notPermitted, 'You are not signed in to a server.', {
    mend: [
      'countersign login --url https://…',
      `or set ${url}, ${clientId} and ${clientSecretFile}`,
      'or go to the directory in which a server was started: its bootstrap client is used',
    ],
    file: `${profilesFile(env)} has no current profile`,
  });
}
