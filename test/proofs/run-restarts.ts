/** `npm run proof:restarts [rounds] [seed]`: 1,000 starts and stops at random points, where nobody says otherwise. */
import { restartAtRandom } from './restarts.ts';

const rounds = Number(process.argv[2] ?? 1_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
console.log(`${rounds} starts and stops, seed ${seed}`);
const report = await restartAtRandom({
  rounds,
  seed,
  onRound: round => {
    if (round % 50 === 0) console.log(`${round} done`);
  },
});
console.log(JSON.stringify(report, undefined, 2));
