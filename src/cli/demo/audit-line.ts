import type { Colors } from 'picocolors/types.js';
import { OWNER_ID, REPORTER_ID, SHOPKEEPER_ID } from '../../../seed/demo-world.ts';
import type { AuditEvent, AuditRow } from '../../audit/index.ts';
import { abbreviatedIds } from './narrator.ts';
import type { Scenery } from './stage.ts';

/** The longest type needs more, and what it is about less. */
const TYPE_COLUMNS = 22;
/** What is left of a line for both. */
const REST_COLUMNS = 59;

/** The event of a row of our own trail. */
export function readEvent(row: AuditRow): AuditEvent {
  return (JSON.parse(row.body) as { readonly event: AuditEvent }).event;
}

/** One row in one short line: when, done (✔) or refused (✘), what, by whom, about what. `countersign audit tail` shows all of it. */
export function describeRow(row: AuditRow, stage: Scenery, { dim, green, red }: Colors): string {
  const { at, type, outcome, reason, client, actor, subject, target, scope } = readEvent(row);
  const names = new Map<string, string>([
    [SHOPKEEPER_ID, 'Shopkeeper'],
    [REPORTER_ID, 'Reporter'],
    [OWNER_ID, 'Alice'],
    [stage.administrator.admin.id, 'administrator'],
  ]);
  const nameOf = (id: string | undefined) =>
    id === undefined ? undefined : (names.get(id) ?? abbreviatedIds(id));
  const by = client ?? actor?.[0];
  const isForOther = subject !== undefined && subject !== by && reason === undefined;
  const forWhom = isForOther ? `for ${nameOf(subject)}` : undefined;
  const isElevation = target?.startsWith('elv_') === true;
  const [first, ...more] = scope?.split(' ') ?? [];
  const scopes = more.length > 0 ? `${first} +${more.length}` : first;
  const what = reason ?? (isElevation ? undefined : scopes);
  const about = [
    nameOf(by),
    forWhom,
    target === by || (isElevation && reason) ? undefined : nameOf(target),
    what,
  ].filter(part => part !== undefined);
  return [
    dim(new Date(at).toISOString().slice(11, 23)),
    outcome === 'done' ? green('✔') : red('✘'),
    shortened(`${type.padEnd(TYPE_COLUMNS)} ${about.join(' ')}`),
  ].join(' ');
}

function shortened(text: string): string {
  return text.length <= REST_COLUMNS ? text : `${text.slice(0, REST_COLUMNS - 1)}…`;
}
