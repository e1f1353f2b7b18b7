/**
 * What comes from outside, and how it is asked for: closed schemas and the one way through them (`input.ts`), the pages of a list
 * (`paging.ts`), why something is killed (`kill-input.ts`), and what no JSON may have in it: some names (`polluting-keys.ts`), and
 * any of them twice (`json-members.ts`).
 *
 * Not here: what each record is made of (`agents/agent-input.ts` and its like), and how a body is read (`http/`).
 */
export {
  accessTokenTtlSeconds,
  closedObject,
  type InputRefusal,
  identifierFilter,
  idOf,
  listOf,
  parseInput,
  plainText,
  scopeName,
  shown,
} from './input.ts';
export { parseUniqueJson, repeatedMember } from './json-members.ts';
export { type KillInput, killDetail, killInput } from './kill-input.ts';
export {
  type Cursor,
  cursorOf,
  endOfPrefix,
  instantInput,
  type Listed,
  type ListQuery,
  limitInput,
  mapPage,
  type Page,
  type PageRequest,
  pageOf,
  pageQuery,
  pageRequest,
  type RecordOrder,
  readCursor,
  sortInput,
} from './paging.ts';
export { hasPollutingKey, POLLUTING_KEYS } from './polluting-keys.ts';
