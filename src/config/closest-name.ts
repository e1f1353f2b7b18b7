/**
 * The known name that a mistyped one was most probably meant to be.
 *
 * @returns the closest name, or else one that goes on where it ends or the other way round; nothing when
 *   more than a third of the letters would have to change
 */
export function closestName(sent: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.floor(sent.length / 3) + 1;
  for (const name of known) {
    const distance = editDistance(sent, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  // `ACCESS_TOKEN_TTL` for `ACCESS_TOKEN_TTL_SECONDS`, `STORE_URI` for `STORE`.
  return best ?? known.find(name => name.startsWith(`${sent}_`) || sent.startsWith(`${name}_`));
}

/** Letters to insert, drop, change or swap with their neighbour (optimal string alignment), row by row. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwap ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(change, swap, at(last, j) + 1, at(row, j - 1) + 1));
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
