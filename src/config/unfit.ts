import { z } from 'zod';

/** Why a value is not permitted, in a few words. It is shown to the operator, so it never repeats a secret. */
export class Unfit extends Error {
  override readonly name = 'Unfit';
}

/**
 * The schema of one setting: what is permitted, in words, and the function that turns the text into a typed value.
 *
 * @param permitted completes the sentence "permitted: …" in an error and fills the column of that name in the documentation
 * @param parse     throws `Unfit`, with a reason where the words above do not already tell it
 */
export function text<T>(permitted: string, parse: (sent: string) => T): z.ZodType<T, string> {
  return z
    .string()
    .transform((sent, context): T => {
      try {
        return parse(sent);
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        context.issues.push({ code: 'custom', params: { why: error.message }, input: sent });
        return z.NEVER;
      }
    })
    .describe(permitted);
}

/** The reason that `text` gave for a refusal, or nothing when what is permitted says it all. */
export function whyUnfit(error: z.ZodError): string | undefined {
  const issue = error.issues[0];
  const why: unknown = issue?.code === 'custom' ? issue.params?.['why'] : undefined;
  return typeof why === 'string' && why !== '' ? why : undefined;
}
