import type { createColors } from 'picocolors';
import { visibleText } from '../text/index.ts';
import { DOCUMENT_NAMES, RECORD_KINDS } from './kinds.ts';
import type { Change, FieldChange, Note, Plan } from './plan.ts';
import { KINDS, type KindName } from './record-key.ts';

type Colors = ReturnType<typeof createColors>;

const SIGNS = { create: '+', change: '~', kill: '-' } as const;

/** A plan for people: what is made, changed and stopped, by kind, each field with its value before and after. */
export function showPlan(plan: Plan, colors: Colors): string {
  const sections = KINDS.flatMap(kind => {
    const changes = plan.changes.filter(change => change.kind === kind);
    const notes = plan.notes.filter(note => note.kind === kind);
    if (changes.length + notes.length === 0) return [];
    return [
      [
        colors.bold(RECORD_KINDS[kind].plural),
        ...changes.flatMap(change => showChange(change, plan.owners, colors)),
        ...notes.map(note => colors.yellow(`  ! ${called(note)} ${note.message}`)),
        '',
      ].join('\n'),
    ];
  });
  return [...sections, summary(plan, colors)].join('\n');
}

function summary({ changes, unchanged, unlisted }: Plan, colors: Colors): string {
  const count = (action: Change['action']): number =>
    changes.filter(change => change.action === action).length;
  const counts =
    changes.length === 0
      ? `No changes: ${unchanged} as the files say.`
      : `${count('create')} to create, ${count('change')} to change, ${count('kill')} to stop; ${unchanged} as the files say.`;
  const left = unlisted === 0 ? '' : ` ${unlisted} on the server that no file describes, left alone.`;
  return colors.bold(counts + left);
}

function showChange(change: Change, owners: Plan['owners'], colors: Colors): string[] {
  const sign = SIGNS[change.action];
  const paint = { create: colors.green, change: colors.yellow, kill: colors.red }[change.action];
  const since =
    change.action === 'create' ? '' : colors.dim(`  version ${change.version}, changed ${change.updatedAt}`);
  const heading = paint(`  ${sign} ${called(change)}`) + since;
  switch (change.action) {
    case 'create':
      return [
        heading,
        ...Object.entries(change.spec).flatMap(([field, after]) =>
          showField(change.kind, { field, after }, owners, colors),
        ),
      ];
    case 'change':
      return [heading, ...change.fields.flatMap(field => showField(change.kind, field, owners, colors))];
    case 'kill':
      return [
        heading,
        colors.red('      stopped, and everything that rests on it ends; the record and its trail stay'),
      ];
  }
}

/** A value is shown whole; of a list, what goes and what comes. */
function showField(
  kind: KindName,
  { field, before, after }: FieldChange,
  owners: Plan['owners'],
  colors: Colors,
): string[] {
  const name = DOCUMENT_NAMES[field] ?? field;
  const linesOf = RECORD_KINDS[kind].lines[field];
  if (!linesOf) {
    const values = [before, after]
      .filter(value => value !== undefined)
      .map(value => written(field === 'ownerId' ? (owners[String(value)] ?? value) : value));
    const text =
      before === undefined
        ? colors.green(`+ ${name}: ${values[0]}`)
        : after === undefined
          ? colors.red(`- ${name}: ${values[0]}`)
          : `${colors.yellow('~')} ${name}: ${colors.red(values[0] ?? '')} → ${colors.green(values[1] ?? '')}`;
    return [`      ${text}`];
  }
  const [old, present] = [before, after].map(value =>
    value === undefined ? [] : linesOf(value as never).map(visibleText),
  );
  const gone = old?.filter(line => !present?.includes(line)) ?? [];
  const come = present?.filter(line => !old?.includes(line)) ?? [];
  return [
    ...gone.map(line => `      ${colors.red(`- ${name}: ${line}`)}`),
    ...come.map(line => `      ${colors.green(`+ ${name}: ${line}`)}`),
  ];
}

function called({ kind, key, id, name }: Pick<Change | Note, 'kind' | 'key' | 'id' | 'name'>): string {
  return [kind, key, id, JSON.stringify(visibleText(name))].filter(part => part !== undefined).join(' ');
}

function written(value: unknown): string {
  return visibleText(JSON.stringify(value) ?? '');
}
