import type { z } from 'zod';
import { withoutSecrets } from '../text/index.ts';
import { closedObject, plainText } from './input.ts';

/** What may come with a kill. */
export const killInput = closedObject({
  reason: plainText(500).optional().describe('Why, for whoever reads the audit trail.'),
});

export type KillInput = z.input<typeof killInput>;

/** What the trail says of why something was killed: nothing where nobody said. Secrets that leaked are often the reason, and stay out. */
export function killDetail({ reason }: KillInput): { readonly reason?: string } {
  return reason === undefined ? {} : { reason: withoutSecrets(reason) };
}
