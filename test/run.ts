/**
 * Runs every test, shows each result as it comes, and ends with the true count: `N passed, N failed`. Arguments are handed to
 * AVA: `npm test -- test/tokens` runs one folder.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const ava = spawn(
  process.execPath,
  ['node_modules/ava/entrypoints/cli.js', '--tap', ...process.argv.slice(2)],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);

let passed = 0;
let failed = 0;
let skipped = 0;
const failures: string[] = [];

for await (const line of createInterface({ input: ava.stdout })) {
  const result = /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO).*)?$/.exec(line);
  if (!result) {
    if (failed > 0 && /^\s/.test(line)) console.log(line);
    else if (line.startsWith('#') && !/^# (tests|pass|fail)/.test(line)) console.log(line);
    continue;
  }
  const [, isFailure, title = '', directive] = result;
  if (directive) skipped += 1;
  else if (isFailure) {
    failed += 1;
    failures.push(title);
  } else passed += 1;
  console.log(`${directive ? '-' : isFailure ? '✘' : '✔'} ${title}`);
}

const exitCode = await new Promise<number>(resolve => ava.once('close', code => resolve(code ?? 1)));
// A file that could not be loaded, or a process that died, is a failure even where no test says so.
if (exitCode !== 0 && failed === 0) failed = 1;
if (failures.length > 0) console.log(`\nFailed:\n${failures.map(title => `  ✘ ${title}`).join('\n')}`);
if (skipped > 0) console.log(`\n${skipped} skipped`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
