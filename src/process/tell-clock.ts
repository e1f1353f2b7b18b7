import type { Logger } from 'pino';
import type { ClockChange } from '../clock.ts';

/** Says in the log how it stands with the server's time, once for each change of it. */
export function tellClock(log: Logger): (change: ClockChange) => void {
  return ({ to, wallAheadMs, isBelieved }) => {
    const seconds = Math.round(Math.abs(wallAheadMs) / 1_000);
    if (isBelieved) {
      log.warn({ seconds }, "the machine's clock has jumped ahead, for ten seconds now: it is believed");
      return;
    }
    switch (to) {
      case 'jump-in-doubt':
        log.warn({ seconds }, "the machine's clock has jumped ahead: it is not believed yet");
        return;
      case 'too-far-ahead':
        log.error(
          { seconds },
          "the machine's clock was set back: nothing is issued, signed in to or approved until it is right",
        );
        return;
      case 'catching-up':
        log.warn(
          { seconds },
          "the machine's clock is behind: time runs at half speed until it has caught up",
        );
        return;
      case 'right':
        log.info("the machine's clock is right again");
    }
  };
}
