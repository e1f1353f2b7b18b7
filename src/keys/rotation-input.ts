import { z } from 'zod';
import { closedObject } from '../input/index.ts';
import { SIGNING_ALGS } from '../oauth.ts';

const MAX_OVERLAP_SECONDS = 7 * 86_400;
const OVERLAP = `a whole number of seconds from 0 to ${MAX_OVERLAP_SECONDS}`;

/** How keys are to be rotated. */
export const rotationInput = closedObject({
  alg: z
    .enum(SIGNING_ALGS, { error: SIGNING_ALGS.join(', ') })
    .optional()
    .describe('The algorithm whose key is rotated; every algorithm where absent.'),
  overlapSeconds: z
    .int({ error: OVERLAP })
    .min(0, { error: OVERLAP })
    .max(MAX_OVERLAP_SECONDS, { error: OVERLAP })
    .optional()
    .describe(
      'How long the new key is published before it signs; as configured where absent. With less than verifiers keep the JWKS (60 seconds, often ten minutes), and above all with 0, verifiers refuse new tokens until they have fetched the JWKS again.',
    ),
});

export type RotationInput = z.input<typeof rotationInput>;
