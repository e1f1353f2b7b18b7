import { Document } from 'yaml';
import type { RecordDocument } from './document.ts';
import type { Fleet, ServerRecord } from './fleet.ts';
import { DOCUMENT_NAMES, RECORD_KINDS, specOf } from './kinds.ts';
import { whyProtected } from './protected.ts';
import { KINDS, type KindName } from './record-key.ts';

/** Values that a document need not say, since they are so without it. */
const UNSAID: Readonly<Record<string, unknown>> = { baseline: '[]' };

/**
 * Writes the records of a server as documents, in which `plan` finds nothing to change. Retired agents are left out, as are the
 * records that files have no say over.
 *
 * @param known documents whose keys the records keep; an identifier alone does not tell the key that it was made from
 * @param schema where the JSON Schema is, for editors
 */
export function exportDocuments(fleet: Fleet, known: readonly RecordDocument[], schema: string): string {
  const keys = new Map(known.flatMap(({ id, key }) => (key === undefined ? [] : [[id, key] as const])));
  const documents = KINDS.flatMap(kind =>
    [...fleet[kind].values()]
      .filter(({ id, status }) => status !== 'retired' && whyProtected(fleet, kind, id) === undefined)
      .map(record => ({
        order: keys.get(record.id) ?? `~${record.id}`,
        text: writeRecord(kind, record, keys),
      }))
      .toSorted((a, b) => (a.order === b.order ? 0 : a.order < b.order ? -1 : 1))
      .map(({ text }) => text),
  );
  return `# yaml-language-server: $schema=${schema}\n${documents.join('---\n')}`;
}

function writeRecord(kind: KindName, record: ServerRecord, keys: ReadonlyMap<string, string>): string {
  const key = keys.get(record.id);
  const fields = Object.keys(RECORD_KINDS[kind].fields);
  const spec = specOf(kind, record);
  const written = fields
    .filter(field => spec[field] !== undefined && JSON.stringify(spec[field]) !== UNSAID[field])
    .map(field => [
      DOCUMENT_NAMES[field] ?? field,
      field === 'ownerId' ? (keys.get(String(spec[field])) ?? spec[field]) : spec[field],
    ]);
  const document = new Document(
    { kind, ...(key === undefined ? { id: record.id } : { key }), ...Object.fromEntries(written) },
    { aliasDuplicateObjects: false },
  );
  if (record.status === 'suspended' || record.status === 'disabled' || record.status === 'expired') {
    document.commentBefore = ` ${record.status}`;
  }
  return document.toString({ lineWidth: 0 });
}
