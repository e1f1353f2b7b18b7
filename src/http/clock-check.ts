import { isTooFarAhead, type ServerClock } from '../clock.ts';
import { Degraded } from './readiness.ts';

/**
 * For `/readyz`: whether the time is right. That it is being put right by itself is told, and requests are taken.
 *
 * @throws {Error} while nothing may be issued, signed in to or approved
 * @throws {Degraded}
 */
export function checkClock(clock: Pick<ServerClock, 'moment' | 'state'>): void {
  const { now, latest, leadMs } = clock.moment();
  const seconds = Math.ceil(leadMs / 1_000);
  if (isTooFarAhead({ leadMs })) throw new Error(`${seconds} s ahead of the machine's clock`);
  if (clock.state === 'catching-up')
    throw new Degraded(`${seconds} s ahead of the machine's clock, which is catching up`);
  if (clock.state === 'jump-in-doubt')
    throw new Degraded(`the machine's clock has jumped ${Math.ceil((latest - now) / 1_000)} s ahead`);
}
