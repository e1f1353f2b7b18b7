import { parseUniqueJson } from '../input/index.ts';
import { ConfigError } from './load.ts';
import { permitted, SETTINGS } from './schema.ts';
import type { Secret } from './secret.ts';
import { whyUnfit } from './unfit.ts';

/**
 * Reads the credentials that the first start wrote, by the rules of the two settings that stand for them.
 *
 * @param path for messages
 * @throws {ConfigError} naming the file and what is wrong in it, never with any part of the secret
 */
export function parseBootstrapClientFile(
  path: string,
  text: string,
): { readonly id: `agt_${string}`; readonly secret: Secret } {
  const members = membersOf(text);
  if (!members) {
    throw new ConfigError([
      `${path}: it is no JSON object with each member once; permitted: what the first start wrote, or no such file beside a store that has its client`,
    ]);
  }
  const id = SETTINGS.bootstrapClientId.schema.safeParse(members['client_id']);
  const secret = SETTINGS.bootstrapClientSecret.schema.safeParse(members['client_secret']);
  if (id.success && secret.success) return { id: id.data, secret: secret.data };
  const problems = [
    { name: 'client_id', result: id, setting: SETTINGS.bootstrapClientId },
    { name: 'client_secret', result: secret, setting: SETTINGS.bootstrapClientSecret },
  ].flatMap(({ name, result, setting }) => {
    if (result.success) return [];
    const why = typeof members[name] === 'string' ? whyUnfit(result.error) : undefined;
    const reason = why === undefined ? '' : ` (${why})`;
    return [`${path}: its ${name} is not permitted${reason}; permitted: ${permitted(setting)}`];
  });
  throw new ConfigError(problems);
}

function membersOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = parseUniqueJson(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    // The parser's own message may have a part of the secret in it.
    return undefined;
  }
}
