import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { type Figure, isMissed, type Proof, type ProofRun } from './proof.ts';

const PAGE = new URL('../../docs/proofs.md', import.meta.url);

const INTRODUCTION = `# Proofs

What is long or random runs here, at full size: \`npm run proofs\`, or one by name, such as \`npm run proofs -- crash-sqlite\`. It writes this page. In \`npm test\` those
of real processes run in a small form, which holds the order of events and no figure. \`--seed\` repeats the random choices of a run; how processes take turns is never the same twice.
`;

/** Replaces the sections of the proofs that ran; those of the others stay. */
export async function writeReport(
  ran: readonly { readonly proof: Proof; readonly run: ProofRun }[],
  all: readonly Proof[],
): Promise<void> {
  const page = await readFile(PAGE, 'utf8').catch(() => '');
  const sections = new Map(
    page
      .split(/^(?=## )/m)
      .slice(1)
      .map(section => [section.slice(3, section.indexOf('\n')), section.trimEnd()]),
  );
  for (const { proof, run } of ran) sections.set(proof.name, renderSection(proof, run));
  const kept = all.flatMap(({ name }) => sections.get(name) ?? []);
  await writeFile(PAGE, `${[INTRODUCTION.trimEnd(), ...kept].join('\n\n')}\n`);
}

function renderSection({ name, claim }: Proof, run: ProofRun): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  const where = `Node.js ${process.versions.node}, ${availableParallelism()} cores, ${gib} GiB`;
  const when = new Date().toISOString().slice(0, 10);
  const verdict = run.failure === undefined ? 'It holds.' : '**It does not hold.**';
  return [
    `## ${name}`,
    `${claim}. ${verdict}`,
    `${[when, `${run.seconds} s`, `seed ${run.seed}`, where, ...new Set(run.notes)].join('; ')}.`,
    ['| figure | value | target |', '|---|---:|---:|', ...run.figures.map(renderFigure)].join('\n'),
  ].join('\n\n');
}

function renderFigure(figure: Figure): string {
  const { name, value, unit, atMost } = figure;
  const target = atMost === undefined ? '' : `≤ ${atMost} ${unit}${isMissed(figure) ? ', **missed**' : ''}`;
  return `| ${name} | ${value.toLocaleString('en')} ${unit} | ${target} |`.replaceAll('  ', ' ');
}
