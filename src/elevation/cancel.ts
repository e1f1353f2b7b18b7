import { type Origin, TAKES_AWAY } from '../audit/index.ts';
import { type ChangeElevationDeps, changeElevation, getElevation } from './change-elevation.ts';
import { digestOfCode, elevationOfCode } from './deferral-code.ts';
import type { Elevation } from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';

/** Who presents a deferral code. */
export interface CodeHolder {
  readonly clientId: string;
  readonly code: string;
  /** The thumbprint of the key that the request proves; undefined without a proof. */
  readonly proofKey: string | undefined;
}

/**
 * The elevation of a deferral code, for the client that it was given to and nobody else.
 *
 * @returns `key-differs` where the key that was proved with the ask is not proved
 */
export async function findByCode(
  { elevations, freshness }: Pick<ElevationDeps, 'elevations' | 'freshness'>,
  { clientId, code, proofKey }: CodeHolder,
): Promise<Elevation | 'unknown' | 'key-differs'> {
  const id = elevationOfCode(code);
  if (id === undefined) return 'unknown';
  await freshness.fresh();
  const elevation = await elevations.findElevation(id);
  if (!elevation?.codes.includes(digestOfCode(code)) || elevation.clientId !== clientId) return 'unknown';
  return elevation.proofKey === proofKey ? elevation : 'key-differs';
}

/**
 * The agent withdraws what it asked for, with whichever of its codes: what waits is over for all, and what was approved and not fetched
 * is never issued. A token that was fetched stays. Nothing happens where there is nothing to withdraw, or it is somebody else's
 * (RFC 7009 section 2.2).
 */
export async function cancelElevation(
  deps: ChangeElevationDeps,
  holder: CodeHolder,
  origin: Origin,
): Promise<'cancelled' | 'unchanged' | 'unknown' | 'key-differs'> {
  const found = await findByCode(deps, holder);
  if (typeof found === 'string') return found;
  const cancelled = await changeElevation(
    deps,
    () => getElevation(deps.elevations, found.id),
    { kind: 'cancel', reason: 'by-agent' },
    { ...origin, client: holder.clientId },
    TAKES_AWAY,
  );
  return typeof cancelled === 'string' ? 'unchanged' : 'cancelled';
}
