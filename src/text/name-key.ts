/** A name as it is ordered and searched by: without regard to case, in whatever language. */
export function nameKeyOf(name: string): string {
  return name.toLowerCase();
}
