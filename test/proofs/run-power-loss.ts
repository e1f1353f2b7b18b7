/** `npm run proof:power-loss [cuts] [seed]`: 200 losses of power, where nobody says otherwise. It needs strace (Debian: strace). */
import { spawnSync } from 'node:child_process';
import { losePower } from './power-loss.ts';

if (spawnSync('strace', ['-V']).status !== 0) {
  console.error('strace is needed and cannot be run here: apt-get install strace');
  process.exit(1);
}
const cuts = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
console.log(`${cuts} losses of power, seed ${seed}`);
const report = await losePower({
  cuts,
  seed,
  workMs: 8_000,
  onCut: done => {
    if (done % 20 === 0) console.log(`${done} done`);
  },
});
console.log(JSON.stringify(report, undefined, 2));
process.exitCode = report.failures.length > 0 ? 1 : 0;
