/** Words that stand in examples and defaults. By chance, one of them is in fewer than one random secret in ten million. */
const PLACEHOLDER = /change-?_?me|password|countersign|example|placeholder|default|insecure/i;

/**
 * Tells what makes a secret easy to guess, or nothing when it looks random. It is a net for defaults, placeholders and
 * keyboard patterns, not a measure of entropy: a random value of 32 bytes or 43 characters passes it but for a chance below
 * one in a million.
 *
 * @param bytes the secret as it will be used; at least 32
 * @returns the reason in a few words, without any part of the secret
 */
export function whyGuessable(bytes: Uint8Array): string | undefined {
  if (new Set(bytes).size < 16) return 'it has fewer than 16 different bytes, so it is not random';
  if (isPeriodic(bytes)) return 'it repeats itself, so it is not random';
  if (isStepped(bytes)) return 'it counts up or down, so it is not random';
  if (PLACEHOLDER.test(Buffer.from(bytes).toString('latin1'))) return 'it has a placeholder word in it';
  return undefined;
}

/** A shorter piece, written again and again. */
function isPeriodic(bytes: Uint8Array): boolean {
  for (let period = 1; period <= bytes.length / 2; period += 1) {
    if (bytes.subarray(period).every((byte, index) => byte === bytes[index])) return true;
  }
  return false;
}

/** More than a third of the neighbours differ by one and the same step: 00 01 02 …, the alphabet forwards or backwards. */
function isStepped(bytes: Uint8Array): boolean {
  const steps = new Map<number, number>();
  for (let index = 1; index < bytes.length; index += 1) {
    const step = (bytes[index] ?? 0) - (bytes[index - 1] ?? 0);
    steps.set(step, (steps.get(step) ?? 0) + 1);
  }
  return Math.max(...steps.values()) > bytes.length / 3;
}
