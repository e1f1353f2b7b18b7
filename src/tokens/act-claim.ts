/** Who acts, as a token says it (RFC 8693 section 4.1): the newest is the outermost. */
export interface ActClaim {
  readonly sub: string;
  readonly act?: ActClaim;
}

/** @param actors newest first; at least one */
export function actorClaim(actors: readonly string[]): ActClaim | undefined {
  return actors.reduceRight<ActClaim | undefined>(
    (before, sub) => ({ sub, ...(before && { act: before }) }),
    undefined,
  );
}

/** Who acts, newest first; nobody where there is no claim. */
export function actorsOf(claim: ActClaim | undefined): readonly string[] {
  const actors: string[] = [];
  for (let each = claim; each; each = each.act) actors.push(each.sub);
  return actors;
}
