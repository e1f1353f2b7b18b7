/** One step of `verify-trail.ts`, as a process: `node verify-trail-step.ts STEP FILES`. Writes a {@link StepReport}. */
import { createPublicKey } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileTrail, storeTrail, trailLines, verifyCheckpoints, verifyTrail } from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Step, StepReport, TrailFiles } from './verify-trail.ts';

const [step, files = '{}'] = process.argv.slice(2);
const begun = performance.now();
const isIntact = await runStep(step as Step, JSON.parse(files));
const report: StepReport = {
  seconds: (performance.now() - begun) / 1_000,
  mebibytes: process.resourceUsage().maxRSS / 1_024,
  ...(isIntact !== undefined && { isIntact }),
};
console.log(JSON.stringify(report));

/** @returns whether the trail is intact; undefined where it was only written */
async function runStep(
  step: Step,
  { store: file, exported, checkpoints, publicKey }: TrailFiles,
): Promise<boolean | undefined> {
  const store =
    step === 'verify-file'
      ? undefined
      : await openSqliteStore(file, { now: Date.now, lane: newId('lane', Date.now()) });
  try {
    const trail = store ? storeTrail(store) : fileTrail(exported);
    if (step === 'export') {
      await pipeline(Readable.from(trailLines(trail)), createWriteStream(exported));
      return undefined;
    }
    const key = createPublicKey(await readFile(publicKey, 'utf8'));
    const { heads, firstBad } = await verifyCheckpoints(checkpoints, key);
    return !firstBad && (await verifyTrail(trail, heads)).isIntact;
  } finally {
    await store?.close();
  }
}
