import {
  type CancelReason,
  type DenialReason,
  endOfElevation,
  type JudgedElevation,
  standingOf,
} from '../elevation/index.ts';
import type { Epochs } from '../liveness.ts';
import type { MessageKey } from './messages-en.ts';
import type { Words } from './words.ts';

/** What has become of a request, in words: nothing of it is told by a colour alone. */
export interface Told {
  /** For the style: what waits, what runs, what was refused, or neither. */
  readonly tone: 'waiting' | 'running' | 'refused' | 'over';
  readonly badge: string;
  /** Absent while it waits. */
  readonly sentence?: string;
}

export const BECAUSE = {
  'not-expected': 'approval.because.not-expected',
  'too-much': 'approval.because.too-much',
  'not-now': 'approval.because.not-now',
  suspicious: 'approval.because.suspicious',
} as const satisfies Record<DenialReason, MessageKey>;

const CANCELLED = {
  'by-agent': 'approval.told.by-agent',
  'authority-ended': 'approval.told.authority-ended',
  changed: 'approval.told.changed',
  'not-possible': 'approval.told.not-possible',
} as const satisfies Record<CancelReason, MessageKey>;

/** Says to whoever may decide what a request is at this moment, and how it came to that. */
export function tellElevation(
  judged: JudgedElevation,
  world: { readonly epochs: Epochs; readonly latest: number },
  { t, exactly }: Words,
): Told {
  const { elevation, status } = judged;
  const { approval, denial, updatedAt } = elevation;
  const end = exactly(endOfElevation(elevation));
  const at = exactly(approval?.at ?? updatedAt);
  switch (status) {
    case 'pending':
      return { tone: 'waiting', badge: t('approval.is.waiting') };
    case 'approved':
      return {
        tone: 'running',
        badge: t('approval.is.approved'),
        // The end of what was approved: by when it has to be fetched is the agent's to know.
        sentence: t('approval.told.approved', { at, end: exactly(approval?.expiresAt ?? 0) }),
      };
    case 'redeemed': {
      const standing = standingOf(judged, world);
      if (standing === 'running') {
        return {
          tone: 'running',
          badge: t('approval.is.running'),
          sentence: t('approval.told.running', { at, end }),
        };
      }
      const key = standing === 'cut-off' ? 'approval.told.cut-off' : 'approval.told.ran-out';
      return { tone: 'over', badge: t('approval.is.over'), sentence: t(key, { at, end }) };
    }
    case 'denied': {
      const reason = denial ? t(BECAUSE[denial.reason]) : '';
      return {
        tone: 'refused',
        badge: t('approval.is.denied'),
        sentence: t('approval.told.denied', { at: exactly(denial?.at ?? updatedAt), reason }),
      };
    }
    case 'revoked':
      return {
        tone: 'refused',
        badge: t('approval.is.revoked'),
        sentence: denial
          ? t('approval.told.taken-back', { at: exactly(denial.at) })
          : t('approval.told.revoked', { at: exactly(updatedAt) }),
      };
    case 'expired':
      return {
        tone: 'over',
        badge: t('approval.is.expired'),
        sentence: approval ? t('approval.told.not-fetched', { at }) : t('approval.told.expired', { end }),
      };
    case 'cancelled':
      return {
        tone: 'over',
        badge: t('approval.is.cancelled'),
        sentence: t(CANCELLED[elevation.cancelReason ?? 'authority-ended'], { at }),
      };
  }
}
