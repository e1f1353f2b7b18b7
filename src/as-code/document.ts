import type { Place } from './problem.ts';
import type { KindName } from './record-key.ts';

export type Path = readonly (string | number)[];

/** A document of a file: one record as it should be. */
export interface RecordDocument {
  readonly kind: KindName;
  /** Absent where the record is named by its id alone. */
  readonly key?: string;
  readonly id: string;
  /** Its fields, checked; without those at fault, which have been told. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether none was at fault. */
  readonly isWhole: boolean;
  /** Where a field stands. */
  place(path: Path): Place;
}

/** The record as its file calls it. */
export function nameOf({ kind, key, id }: Pick<RecordDocument, 'kind' | 'key' | 'id'>): string {
  return `${kind} ${key ?? id}`;
}

/** A path as it is written: `envelope[0].scopes[1]`. */
export function writePath(path: Path): string {
  return path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`;
    return before === '' ? step : `${before}.${step}`;
  }, '');
}
