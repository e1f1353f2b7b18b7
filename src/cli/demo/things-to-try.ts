import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPORTER_ID } from '../../../seed/demo-world.ts';
import type { ClientSecret } from './bare-calls.ts';
import type { Narrator } from './narrator.ts';
import type { Stage } from './stage.ts';

/**
 * Prints where everything is, and five commands that can be pasted as they are. The credentials stand in files for `curl -K`,
 * which only we can read, so that they are in no terminal, shell history or list of processes.
 *
 * @param isAnybodyThere to press Enter for a one-time code
 */
export async function printThingsToTry(
  stage: Stage,
  narrator: Narrator,
  isAnybodyThere: boolean,
): Promise<void> {
  const { server, orders, alice } = stage;
  const { issuer } = server;
  const { bold, dim } = narrator.colours;
  const reporter = await writeCurlConfig(stage, 'reporter', stage.reporter);
  const mcpServer = await writeCurlConfig(stage, 'orders', stage.ordersCredential);
  const admin = await writeCurlConfig(stage, 'admin', stage.administrator.admin);
  const token = `sed 's/.*"access_token":"\\([^"]*\\).*/\\1/'`;

  narrator.print(`
${bold('It stays up for you to try')}, with another agent, the Reporter. Ctrl-C stops all.

  Countersign  ${issuer}
  Metadata     ${issuer}/.well-known/oauth-authorization-server
  MCP server   ${orders.url.href}
  Alice        ${issuer}/me
               ${alice.email}, ${alice.password}${isAnybodyThere ? '; Enter prints a code' : ''}
  Log          ${stage.logFile}
  Credentials  ${stage.directory}/*.curl ${dim('(yours only)')}

${bold('1  Get a token')}

TOKEN=$(curl -sS -K ${reporter} \\
  -d grant_type=client_credentials ${issuer}/token |
  ${token}); echo "$TOKEN"

${bold('2  Introspect it, as the MCP server does')}

curl -sS -w '\\n' -K ${mcpServer} \\
  -d "token=$TOKEN" ${issuer}/introspect

${bold('3  Revoke it; then try 2 again')}

curl -sS -w '\\n' -K ${reporter} \\
  -d "token=$TOKEN" ${issuer}/revoke

${bold("4  See what people let agents do; give more on Alice's page, and try again")}

curl -sS -w '\\n' -H "Authorization: Bearer $(
  curl -sS -K ${admin} \\
    -d grant_type=client_credentials ${issuer}/token |
    ${token})" \\
  ${issuer}/api/v1/delegations

${bold('5  Kill the agent; then try 2, then 1')}

curl -sS -X POST -w '\\n' -H "Authorization: Bearer $(
  curl -sS -K ${admin} \\
    -d grant_type=client_credentials ${issuer}/token |
    ${token})" \\
  ${issuer}/api/v1/agents/${REPORTER_ID}/kill
`);
}

async function writeCurlConfig(stage: Stage, name: string, { id, secret }: ClientSecret): Promise<string> {
  const path = join(stage.directory, `${name}.curl`);
  await writeFile(path, `user = "${id}:${secret}"\n`, { mode: 0o600, flag: 'wx' });
  return path;
}
