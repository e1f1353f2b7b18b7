import { createColors } from 'picocolors';
import { visibleText } from '../text/index.ts';
import { AUDIT_EVENTS, type AuditEvent } from './audit-event.ts';
import type { AuditRow } from './chain.ts';

const TYPE_WIDTH = Math.max(...Object.keys(AUDIT_EVENTS).map(type => type.length));

/**
 * One row as one line for a person: when, whether it was done (✓) or refused (✗), what, by whom, for what, why not. The row need
 * not have been verified: whatever it holds, the line has no line end and no terminal escapes but our own colours.
 *
 * @param useColour whether the line goes to a terminal that shows colours
 */
export function formatAuditRow(row: AuditRow, useColour = false): string {
  const { dim, green, red, bold } = createColors(useColour);
  const event = readEvent(row);
  if (!event) return `${red('✗')} ${showValue(row.lane)}#${showValue(row.seq)} cannot be read`;

  const isDone = event.outcome === 'done';
  const members: readonly (readonly [string, unknown])[] = [
    // Nobody has proved to be that client: it is what a caller said.
    [event.type === 'client.authentication-refused' ? 'claims-client' : 'client', event.client],
    ['for', event.subject],
    ['actors', event.actor],
    ['resource', event.resource],
    ['target', event.target],
    ['scope', event.scope],
    ['jti', event.jti],
    ['count', event.count],
    ...Object.entries(event.detail ?? {}),
  ];
  const shown = members
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${dim(`${visibleText(name)}=`)}${showValue(value)}`);
  return [
    dim(showTime(event.at)),
    isDone ? green('✓') : red('✗'),
    bold(showValue(event.type ?? '?').padEnd(TYPE_WIDTH)),
    ...(event.reason === undefined ? [] : [red(showValue(event.reason))]),
    ...shown,
    dim(
      `${event.address === undefined ? '' : `${showValue(event.address)} `}${showValue(event.requestId ?? '?')}`,
    ),
  ].join(' ');
}

/** The event of a row as somebody has stored it; every member of it may be anything. */
function readEvent(row: AuditRow): AuditEvent | undefined {
  try {
    const { event } = JSON.parse(row.body) as { event?: AuditEvent };
    return typeof event === 'object' && event !== null ? event : undefined;
  } catch {
    return undefined;
  }
}

/** Quoted when it is not one plain word, so that no value can pretend to be another member of the line. */
function showValue(value: unknown): string {
  const text = isStrings(value) ? value.join(',') : typeof value === 'string' ? value : JSON.stringify(value);
  return visibleText(/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text));
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string');
}

function showTime(at: unknown): string {
  const time = new Date(typeof at === 'number' ? at : Number.NaN);
  return Number.isNaN(time.getTime()) ? 'at an unknown time' : time.toISOString();
}
