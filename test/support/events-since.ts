import type { AuditEvent } from '../../src/audit/index.ts';
import type { App } from './start-app.ts';

/**
 * Marks how far the trail is. By which rows there are, and not by how many: rows of one moment have no order among processes.
 *
 * @returns tells what has been recorded since, oldest first
 */
export async function markTrail({
  store,
}: Pick<App, 'store'>): Promise<() => Promise<readonly AuditEvent[]>> {
  const read = async () => (await store.readNewest(5_000)).toReversed();
  const keyOf = ({ lane, seq }: Awaited<ReturnType<typeof read>>[0]): string => `${lane} ${seq}`;
  const before = new Set((await read()).map(keyOf));
  return async () =>
    (await read()).filter(row => !before.has(keyOf(row))).map(({ body }) => JSON.parse(body).event);
}
