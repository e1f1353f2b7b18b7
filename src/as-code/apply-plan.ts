import { type AdminClient, ProblemError } from '../client/index.ts';
import { callsOf, type KindCalls } from './fleet.ts';
import type { Change, Plan } from './plan.ts';

/** A secret that a new record got. It is shown once. */
export interface NewSecret {
  readonly kind: string;
  readonly key?: string;
  /** Also the client identifier. */
  readonly id: string;
  readonly secret: string;
}

export interface ApplyReport {
  readonly done: readonly Change[];
  readonly failed: readonly { readonly change: Change; readonly error: unknown }[];
  /** What was not tried, since something before it failed. */
  readonly untried: readonly Change[];
}

export interface ApplyOptions {
  /** Takes each secret before the next record is made with that connection. */
  readonly keepSecret: (secret: NewSecret) => void;
  /** @param done from 0 to 1 */
  readonly onProgress: (done: number) => void;
}

/** Enough that the server commits many at once, few enough for any server. */
const CONCURRENCY = 32;

/**
 * Makes the changes of a plan: people, then resource servers, then agents; what is stopped comes last, the other way round. Each
 * change is to the version that the plan saw. After the last one of a kind, a failure ends it: what comes later may rest on it.
 */
export async function applyPlan(
  client: AdminClient,
  plan: Plan,
  options: ApplyOptions,
): Promise<ApplyReport> {
  const calls = callsOf(client);
  const done: Change[] = [];
  const failed: { change: Change; error: unknown }[] = [];
  const stages = stagesOf(plan.changes);
  let tried = 0;
  for (const stage of stages) {
    if (failed.length > 0) break;
    const queue = stage.values();
    const work = async (): Promise<void> => {
      for (const change of queue) {
        try {
          await make(calls[change.kind], change, options);
          done.push(change);
        } catch (error) {
          failed.push({ change, error });
          // Whatever is not about this record will not go away with the next one.
          if (!(error instanceof ProblemError)) return;
        }
        tried += 1;
        options.onProgress(tried / plan.changes.length);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, stage.length) }, work));
  }
  const settled = new Set([...done, ...failed.map(({ change }) => change)]);
  return { done, failed, untried: plan.changes.filter(change => !settled.has(change)) };
}

async function make(calls: KindCalls, change: Change, { keepSecret }: ApplyOptions): Promise<void> {
  const { kind, id, key } = change;
  switch (change.action) {
    case 'create': {
      const { secret } = await calls.create({ id, ...change.spec });
      if (secret !== undefined) keepSecret({ kind, ...(key !== undefined && { key }), id, secret });
      return;
    }
    case 'change':
      await calls.update(
        id,
        change.version,
        Object.fromEntries(change.fields.map(({ field, after }) => [field, after ?? null])),
      );
      return;
    case 'kill':
      await calls.kill(id, change.version);
  }
}

/** Runs of changes that do not rest on each other. */
function stagesOf(changes: readonly Change[]): readonly (readonly Change[])[] {
  const stages: Change[][] = [];
  for (const change of changes) {
    const last = stages.at(-1);
    const isSame =
      last?.[0]?.kind === change.kind && (last[0].action === 'kill') === (change.action === 'kill');
    if (last && isSame) last.push(change);
    else stages.push([change]);
  }
  return stages;
}
