import type { KeyObject } from 'node:crypto';
import {
  type Authority,
  AuthorityEnded,
  type CommitPort,
  type ManagedRecord,
  type RecordChange,
} from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { ANSWER_KEPT_MS, type IdempotencyRefusal, type IdempotentRequest } from './idempotent-request.ts';
import type { KeepAnswer, KeptAnswerStore } from './kept-answer.ts';
import { type AnswerSeal, answerSeal } from './sealed-answer.ts';

/** The same request came first, from another connection or to another process, and has been answered. */
class AnsweredAlready extends Error {}

export interface IdempotencyDeps {
  readonly answers: KeptAnswerStore;
  readonly keyEncryption: { readonly kek: KeyObject; readonly older: readonly KeyObject[] };
  /** The requests that this process is just answering, by `id`. No row claims a key: a process that dies leaves none behind. */
  readonly inProgress: Set<string>;
}

/**
 * Answers a request that may be sent again: makes what it asks for once, whoever races, and gives every repetition the first
 * answer. Only what was done is kept. A refusal has changed nothing, so that the same request is decided anew.
 *
 * Nothing is written beforehand. Of two that race in different processes, the second loses at the commit, or is refused because of what
 * the first has made; either way it looks again, and gets the first one's answer.
 *
 * @param make makes what is asked for, and commits it through the port that it gets from `keeping`
 * @throws {Refused<IdempotencyRefusal>} `idempotency-key-reused`, `idempotency-key-in-progress`
 * @throws {StoreUnavailable} when it cannot be told what became of the first request
 */
export async function answerOnce<Answer>(
  deps: IdempotencyDeps,
  request: IdempotentRequest,
  now: number,
  make: (keeping: Keeping) => Promise<Answer>,
): Promise<{ readonly made: Answer } | { readonly kept: string }> {
  const { inProgress } = deps;
  if (inProgress.has(request.id)) {
    throw new Refused<IdempotencyRefusal>('idempotency-key-in-progress', {
      parameter: 'Idempotency-Key',
      hint: 'the first request with this key is just being answered: send it again in a moment',
      retryAfterSeconds: 1,
    });
  }
  inProgress.add(request.id);
  try {
    return await makeOnce(deps, request, now, make);
  } finally {
    inProgress.delete(request.id);
  }
}

async function makeOnce<Answer>(
  deps: IdempotencyDeps,
  request: IdempotentRequest,
  now: number,
  make: (keeping: Keeping) => Promise<Answer>,
): Promise<{ readonly made: Answer } | { readonly kept: string }> {
  const seal = answerSeal(deps.keyEncryption, request);
  const before = await findAnswer(deps.answers, request, seal, now);
  if (before !== undefined) return { kept: before };
  const { id, requestDigest } = request;
  let isKept = false;
  try {
    const made = await make((port, answerTo) => {
      return withCommit(port, async unit => {
        const records = unit.changes.map(({ record }) => record);
        const answer = seal.seal(answerTo(records as never));
        const kept = { id, requestDigest, expiresAt: now + ANSWER_KEPT_MS, answer };
        const outcome = await (port as CommitPort<unknown>).commit({
          ...unit,
          // First, so that who comes second is told of the first and not of what the first has made.
          changes: [{ kind: 'keep-answer', kept, now } satisfies KeepAnswer, ...unit.changes],
          authority: unit.authority as Authority,
        });
        if (!outcome.committed && outcome.conflict === 'already-used') throw new AnsweredAlready();
        isKept ||= outcome.committed;
        return outcome;
      });
    });
    if (!isKept) throw new Error('what was made was not committed together with its answer');
    return { made };
  } catch (error) {
    const isOvertaken = error instanceof AnsweredAlready;
    // Refused, perhaps by what the first has made meanwhile: a successor that is pending already, a name that is taken.
    if (!isOvertaken && (!(error instanceof Refused) || error instanceof AuthorityEnded)) throw error;
    const first = await findAnswer(deps.answers, request, seal, now);
    if (first !== undefined) return { kept: first };
    if (!isOvertaken) throw error;
    throw new StoreUnavailable('the first answer cannot be read yet', { cause: error });
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
  seal: AnswerSeal,
  now: number,
): Promise<string | undefined> {
  const kept = await store.findKeptAnswer(request.id);
  if (!kept || kept.expiresAt <= now) return undefined;
  if (kept.requestDigest === request.requestDigest) return seal.open(kept.answer);
  throw new Refused<IdempotencyRefusal>('idempotency-key-reused', {
    parameter: 'Idempotency-Key',
    permitted: ['a key of its own for each request'],
    hint: 'the same key at the same path means the same body',
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
