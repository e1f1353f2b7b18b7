import { type Deadline, systemDeadline } from '../clock.ts';

/** One thing that must work before requests are taken, or that somebody should know of. */
export interface ReadinessCheck {
  /** Throws, with the reason as its message, when it does not work. The message is read by strangers: it names nobody. */
  readonly check: () => Promise<void> | void;
  /** It is told, and requests are taken all the same: to stop taking them would make it worse. */
  readonly isAdvisory?: true;
}

/** Thrown by a check in place of any other error: this once it is told, and requests are taken all the same. */
export class Degraded extends Error {
  override readonly name = 'Degraded';
}

export interface CheckResult {
  readonly state: 'ok' | 'degraded' | 'failed';
  /** Why it is not ok. */
  readonly reason?: string;
}

/** What a check that never ends is taken for. */
const PATIENCE_MS = 2_000;

/**
 * Whether the server can answer safely, check by check. Those who ask at the same time get the same answer, so that nobody can
 * keep the store busy by asking.
 *
 * @param checks by name, as they appear in the answer
 * @param deadline ends the wait for a check
 */
export function createReadiness(
  checks: Readonly<Record<string, ReadinessCheck>>,
  deadline: Deadline = systemDeadline,
): () => Promise<ReadonlyMap<string, CheckResult>> {
  let underWay: Promise<ReadonlyMap<string, CheckResult>> | undefined;
  const run = async (): Promise<ReadonlyMap<string, CheckResult>> =>
    new Map(
      await Promise.all(
        Object.entries(checks).map(
          async ([name, check]) => [name, await resultOf(check, deadline(PATIENCE_MS))] as const,
        ),
      ),
    );
  return () => {
    underWay ??= run().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

async function resultOf({ check, isAdvisory }: ReadinessCheck, end: AbortSignal): Promise<CheckResult> {
  const late = Promise.withResolvers<never>();
  const onEnd = () => late.reject(new Error('does not answer'));
  end.addEventListener('abort', onEnd, { once: true });
  try {
    await Promise.race([check(), late.promise]);
    return { state: 'ok' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'failed';
    return { state: isAdvisory || error instanceof Degraded ? 'degraded' : 'failed', reason };
  } finally {
    end.removeEventListener('abort', onEnd);
  }
}
