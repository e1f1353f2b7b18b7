import { isDeepStrictEqual } from 'node:util';

type Nullable<T> = { readonly [K in keyof T]?: T[K] | null | undefined };

/** A record with changes applied: fields left out stay, null takes a value away (RFC 7396). */
export function applyChanges<R extends object>(record: R, changes: Nullable<Partial<R>>): R {
  const changed = new Map<string, unknown>(Object.entries(record));
  for (const [field, value] of Object.entries(changes)) {
    if (value === null) changed.delete(field);
    else if (value !== undefined) changed.set(field, value);
  }
  return Object.fromEntries(changed) as R;
}

/** The names of the fields in which two versions of a record differ, for the trail. */
export function changedFields(before: object, after: object): readonly string[] {
  const [old, present] = [Object.entries(before), Object.entries(after)].map(
    entries => new Map<string, unknown>(entries),
  );
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter(name => !isDeepStrictEqual(old?.get(name), present?.get(name)));
}
