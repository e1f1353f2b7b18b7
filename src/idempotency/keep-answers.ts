import type { CommitPort, ManagedRecord, RecordChange } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { ANSWER_KEPT_MS, type IdempotencyRefusal, type IdempotentRequest } from './idempotent-request.ts';
import type { KeepAnswer, KeptAnswerStore } from './kept-answer.ts';

/** The same request came first, from another connection or to another process, and has been answered. */
class AnsweredAlready extends Error {}

/**
 * Answers a request that may be sent again: makes what it asks for once, whoever races, and gives every repetition the first
 * answer. Only what was done is kept. A refusal has changed nothing, so that the same request is decided anew.
 *
 * @param make makes what is asked for, and commits it through the port that it gets from `keeping`
 * @throws {Refused<IdempotencyRefusal>} `idempotency-key-reused`
 * @throws {StoreUnavailable} when it cannot be told what became of the first request
 */
export async function answerOnce<Answer>(
  store: KeptAnswerStore,
  request: IdempotentRequest,
  now: number,
  make: (keeping: Keeping) => Promise<Answer>,
): Promise<{ readonly made: Answer } | { readonly kept: string }> {
  const before = await findAnswer(store, request, now);
  if (before !== undefined) return { kept: before };
  let isKept = false;
  try {
    const made = await make((port, answerTo) => {
      return withCommit(port, async unit => {
        const records = unit.changes.map(({ record }) => record);
        const answer = answerTo(records as never);
        const kept = { ...request, expiresAt: now + ANSWER_KEPT_MS, answer };
        const outcome = await (port as CommitPort<unknown>).commit({
          // First, so that who comes second is told of the first and not of what the first has made.
          changes: [{ kind: 'keep-answer', kept, now } satisfies KeepAnswer, ...unit.changes],
          events: unit.events,
        });
        if (!outcome.committed && outcome.conflict === 'already-used') throw new AnsweredAlready();
        isKept ||= outcome.committed;
        return outcome;
      });
    });
    if (!isKept) throw new Error('what was made was not committed together with its answer');
    return { made };
  } catch (error) {
    if (!(error instanceof AnsweredAlready)) throw error;
    const first = await findAnswer(store, request, now);
    if (first === undefined)
      throw new StoreUnavailable('the first answer cannot be read yet', { cause: error });
    return { kept: first };
  }
}

/** Gives a port whose commits keep the answer to the records that they write. */
export type Keeping = <Port extends object, R extends ManagedRecord>(
  port: Port,
  answerTo: (records: readonly R[]) => string,
) => Port;

type AnyRecordChange = RecordChange<string, ManagedRecord>;

async function findAnswer(
  store: KeptAnswerStore,
  request: IdempotentRequest,
  now: number,
): Promise<string | undefined> {
  const kept = await store.findKeptAnswer(request.id);
  if (!kept || kept.expiresAt <= now) return undefined;
  if (kept.requestDigest === request.requestDigest) return kept.answer;
  throw new Refused<IdempotencyRefusal>('idempotency-key-reused', {
    parameter: 'Idempotency-Key',
    permitted: ['a key of its own for each request'],
    hint: 'the same key means the same method, path and body',
  });
}

/** The same port with another `commit`; it may be an object with private members, so its own methods are called on itself. */
function withCommit<Port extends object>(port: Port, commit: CommitPort<AnyRecordChange>['commit']): Port {
  return new Proxy(port, {
    get: (target, name) => {
      if (name === 'commit') return commit;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
