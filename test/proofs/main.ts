/**
 * Runs the long and random proofs at full size, and writes what they found into `docs/proofs.md`. Exits with 1 where something does
 * not hold or could not be run, and also where a figure is beyond its target.
 */
import { parseArgs } from 'node:util';
import { isMissed, type Proof, type ProofRun, runProof } from './proof.ts';
import { PROOFS } from './proofs.ts';
import { writeReport } from './report.ts';

const NAME_WIDTH = Math.max(...PROOFS.map(({ name }) => name.length)) + 2;
const list = (proofs: readonly Proof[]): string =>
  proofs.map(({ name, claim }) => `  ${name.padEnd(NAME_WIDTH)}${claim}`).join('\n');

const HELP = `Proves what is long or random, and measures it.

  npm run proofs                        all of them, and docs/proofs.md is written
  npm run proofs -- crash-sqlite        one by name, or several
  npm run proofs -- --seed 4711         with the random choices of an earlier run
  npm run proofs -- --scale 0.1         a tenth of the size, to try; nothing is written

Proofs
${list(PROOFS.filter(({ onlyByName }) => !onlyByName))}

Only when they are named
${list(PROOFS.filter(({ onlyByName }) => onlyByName))}
`;

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, scale: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const scale = Number(values.scale ?? 1);
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const unknown = names.filter(name => !PROOFS.some(proof => proof.name === name));
if (unknown.length > 0) refuse(`There is no proof by the name of ${unknown.join(', ')}.`);
if (!Number.isInteger(seed)) refuse(`--seed is a whole number, not "${values.seed}".`);
if (!(scale > 0 && scale <= 1)) refuse(`--scale is a number above 0 and at most 1, not "${values.scale}".`);

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

const chosen = PROOFS.filter(({ name, onlyByName }) =>
  names.length === 0 ? !onlyByName : names.includes(name),
);
const ran: { readonly proof: Proof; readonly run: ProofRun }[] = [];
let left = 0;
for (const proof of chosen) {
  console.log(`\n${proof.name}: ${proof.claim}\n  seed ${seed}`);
  const missing = proof.missing?.();
  if (missing !== undefined) {
    left += 1;
    console.log(`  NOT RUN: ${missing}`);
    continue;
  }
  const run = await runProof(proof, { seed, scale, stop: stop.signal, progress: showProgress() });
  if (stop.signal.aborted) process.exit(130);
  ran.push({ proof, run });
  // At once: what comes later may be interrupted.
  if (scale === 1) await writeReport([{ proof, run }], PROOFS);
  for (const note of new Set(run.notes)) console.log(`  ${note}`);
  for (const figure of run.figures) {
    const target =
      figure.atMost === undefined ? '' : `  (${isMissed(figure) ? 'MISSED: ' : ''}at most ${figure.atMost})`;
    console.log(`  ${figure.name.padEnd(56)} ${figure.value.toLocaleString('en')} ${figure.unit}${target}`);
  }
  console.log(run.failure === undefined ? `  holds (${run.seconds} s)` : `  DOES NOT HOLD\n${run.failure}`);
}
const broken = ran.filter(({ run }) => run.failure !== undefined).length;
const missed = ran.flatMap(({ run }) => run.figures.filter(isMissed)).length;
const unproved = left > 0 ? `, ${left} were not run` : '';
console.log(
  `\n${ran.length - broken} hold, ${broken} do not${unproved}; ${missed} figures are beyond their targets`,
);
process.exit(broken + missed + left > 0 ? 1 : 0);

/** A line at each tenth of the way. */
function showProgress(): (done: number, all: number) => void {
  let shown = 0;
  return (done, all) => {
    const tenth = Math.floor((done / all) * 10);
    if (tenth === shown) return;
    shown = tenth;
    console.log(`  ${done} of ${all}`);
  };
}

function refuse(why: string): never {
  console.error(`${why}\n\n${HELP}`);
  process.exit(2);
}
