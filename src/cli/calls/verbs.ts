import { z } from 'zod';
import type { AdminCallDescription, AdminCalls } from '../../admin-api/index.ts';

/** How a call of the admin API is typed. */
export interface Verb {
  readonly operationId: string;
  readonly call: AdminCallDescription;
  /** `agents`, `secrets`, `create`. */
  readonly words: readonly string[];
  /** What the path names, in its order. */
  readonly params: readonly string[];
}

/**
 * A verb for each call, made from its method and path alone, so that a new call has one at once: the fixed parts of the path are
 * its words, what the path names are its arguments. `list`, `get`, `create` and `update` say what the method says where the path
 * does not end with a verb of its own.
 */
export function verbsOf(calls: AdminCalls): readonly Verb[] {
  return Object.entries(calls).map(([operationId, call]) => ({
    operationId,
    call,
    words: wordsOf(call, Object.values(calls)),
    params: segmentsOf(call.path).filter(isParam).map(nameOfParam),
  }));
}

/** Whether it gives away rights that the caller has to hold. */
export function givesRights(call: AdminCallDescription): boolean {
  return call.refusals?.includes('admin-scope-not-held') === true;
}

function wordsOf(call: AdminCallDescription, calls: readonly AdminCallDescription[]): readonly string[] {
  const segments = segmentsOf(call.path);
  const words = segments.filter(segment => !isParam(segment));
  const endsWithParam = isParam(segments.at(-1) ?? '');
  if (call.method === 'PATCH') return [...words, 'update'];
  if (call.method === 'POST') {
    const isCollection = calls.some(({ method, path }) => method === 'GET' && path === call.path);
    return isCollection ? [...words, 'create'] : words;
  }
  if (isList(call)) return [...words, 'list'];
  const [first] = segments;
  const isAlone = calls.filter(({ path }) => segmentsOf(path)[0] === first).length === 1;
  return endsWithParam && !isAlone ? [...words, 'get'] : words;
}

/** Whether it answers with a list of records. */
export function isList({ answer }: AdminCallDescription): boolean {
  return answer instanceof z.ZodObject && 'items' in answer.shape;
}

/** The call that reads the record which a call acts upon, if there is one. */
export function readerOf({ path }: AdminCallDescription, calls: AdminCalls): Verb | undefined {
  const segments = segmentsOf(path);
  const record = `/${segments.slice(0, segments.findIndex(isParam) + 1).join('/')}`;
  return verbsOf(calls).find(({ call }) => call.method === 'GET' && call.path === record);
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').filter(segment => segment !== '');
}

function isParam(segment: string): boolean {
  return segment.startsWith('{');
}

function nameOfParam(segment: string): string {
  return segment.slice(1, -1);
}
