import { type Command, Option } from 'commander';
import { ADMIN_SCOPES, type AdminScope } from '../admin-api/index.ts';
import { type AdminClient, createClient } from '../client/index.ts';
import { findServer } from './login/find-server.ts';
import type { FoundServer } from './login/profiles.ts';
import { type OutputFormat, outputOption } from './output.ts';

/** The options of every verb that calls a server. */
export interface ServerOptions {
  readonly profile?: string;
  readonly output?: OutputFormat;
}

/** A server, and a client of its admin API that is signed in there. */
export interface OpenedServer extends FoundServer {
  readonly client: AdminClient;
}

/** Gives a command the options that say which server is called, by whom, and how the answer is shown. */
export function withServerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('-p, --profile <name>', 'a server that you are signed in to; see `countersign login`'),
    )
    .addOption(outputOption());
}

/**
 * Opens the server that is meant: by profile, by environment, or the one of this directory.
 *
 * @param scopes what every token may do, in one token; where absent, each call gets a token for the one scope that it needs
 * @throws {Failure} when nobody is signed in
 */
export function openClient(options: ServerOptions, scopes?: readonly AdminScope[]): OpenedServer {
  const found = findServer(options.profile);
  const { url, clientId, clientSecret } = found;
  const client = createClient({
    issuer: url,
    clientId,
    clientSecret,
    fetch: fetchNamingUrl,
    ...(scopes && { scopes }),
  });
  return { ...found, client };
}

/** `fetch`, whose errors say where they happened. */
export async function fetchNamingUrl(...[url, init]: Parameters<typeof fetch>): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { url: String(url) }) : error;
  }
}

/** `--scope`: for calls that give away what the caller itself has to hold. */
export function scopeOption(): Option {
  return new Option(
    '--scope <scope...>',
    'ask for a token with these scopes together, where the call gives rights away, or acts on who has them: the caller has to hold them',
  ).choices(ADMIN_SCOPES);
}
