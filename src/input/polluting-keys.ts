/** Names with which a careless copy would reach the prototype of every object. */
export const POLLUTING_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Whether one of those names is anywhere in what JSON was parsed to. */
export function hasPollutingKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, member]) => POLLUTING_KEYS.has(key) || hasPollutingKey(member));
}
