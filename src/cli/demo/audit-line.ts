import type { Colors } from 'picocolors/types.js';
import { REPORTER_ID, SHOPKEEPER_ID } from '../../../seed/demo-world.ts';
import type { AuditEvent, AuditRow } from '../../audit/index.ts';
import type { Stage } from './stage.ts';

const TYPE_COLUMNS = 29;

/** The event of a row of our own trail. */
export function readEvent(row: AuditRow): AuditEvent {
  return (JSON.parse(row.body) as { readonly event: AuditEvent }).event;
}

/** One row in one short line: when, done (✔) or refused (✘), what, by whom, about what. `countersign audit tail` shows all of it. */
export function describeRow(row: AuditRow, stage: Stage, { dim, green, red }: Colors): string {
  const { at, type, outcome, reason, client, target, scope } = readEvent(row);
  const names = new Map<string, string>([
    [SHOPKEEPER_ID, 'Shopkeeper'],
    [REPORTER_ID, 'Reporter'],
    [stage.admin.id, 'administrator'],
  ]);
  const nameOf = (id: string | undefined) => (id === undefined ? undefined : (names.get(id) ?? id));
  const about = [nameOf(client), nameOf(target), reason ?? scope].filter(part => part !== undefined);
  return [
    dim(new Date(at).toISOString().slice(11, 23)),
    outcome === 'done' ? green('✔') : red('✘'),
    type.padEnd(TYPE_COLUMNS),
    about.join(' '),
  ].join(' ');
}
