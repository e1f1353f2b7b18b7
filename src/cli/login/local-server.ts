import { existsSync, readFileSync, statSync } from 'node:fs';
import { type Config, ConfigError, loadConfig, parseBootstrapClientFile } from '../../config/index.ts';
import { EXIT, Failure } from '../failure.ts';
import type { FoundServer } from './profiles.ts';

/**
 * The server that this directory's configuration starts, with its bootstrap client: what `countersign start` has just made here
 * can be used at once.
 *
 * Only where that is safe: the credentials are yours alone to read, the server is on this machine, and whoever listens on its
 * port is you or root, so that nobody else's program is handed the secret.
 *
 * @returns nothing where there is no such server
 * @throws {Failure} when somebody else listens there
 */
export function findLocalServer(env: NodeJS.ProcessEnv): FoundServer | undefined {
  const config = readConfig(env);
  const credentials = config && readCredentials(config);
  if (!config?.issuer || !credentials) return undefined;
  const { hostname } = new URL(config.issuer);
  if (!['localhost', '127.0.0.1', '[::1]'].includes(hostname) || process.getuid === undefined)
    return undefined;
  const uids = listenersOf(config.port);
  if (uids === undefined) return undefined;
  const stranger = uids.find(uid => uid !== 0 && uid !== process.getuid?.());
  if (stranger !== undefined) {
    throw new Failure(
      EXIT.notPermitted,
      `Port ${config.port} belongs to another user: no secret is sent there.`,
      {
        url: config.issuer,
        user: String(stranger),
        mend: 'countersign login, where that is the server that you mean',
      },
    );
  }
  return { url: config.issuer, ...credentials };
}

function readConfig(env: NodeJS.ProcessEnv): Config | undefined {
  try {
    return loadConfig(env);
  } catch (error) {
    // Of a directory that is not the server's: its configuration is not what was asked for.
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

function readCredentials({
  bootstrapClient,
  bootstrapClientFile: file,
}: Config): Omit<FoundServer, 'url'> | undefined {
  if (bootstrapClient) {
    return {
      clientId: bootstrapClient.id,
      clientSecret: bootstrapClient.secret.reveal(),
      source: 'the bootstrap client of the configuration',
    };
  }
  if (!existsSync(file)) return undefined;
  const { mode, uid } = statSync(file);
  if ((mode & 0o077) !== 0 || uid !== process.getuid?.()) return undefined;
  const { id, secret } = parseBootstrapClientFile(file, readFileSync(file, 'utf8'));
  return { clientId: id, clientSecret: secret.reveal(), source: `the bootstrap client in ${file}` };
}

const LISTENING = '0A';

/**
 * The users whose programs listen on a TCP port, from Linux's own tables (proc_pid_net(5)); undefined where there are none to
 * look into.
 */
function listenersOf(port: number): readonly number[] | undefined {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync);
  if (tables.length === 0) return undefined;
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return tables.flatMap(file =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(1)
      .map(line => line.trim().split(/\s+/))
      .filter(([, local = '', , state]) => local.endsWith(suffix) && state === LISTENING)
      .map(fields => Number(fields[7])),
  );
}
