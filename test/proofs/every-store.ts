/** What is decided above the store, on MongoDB too: `npm test` runs these on SQLite alone. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ProofHost } from './proof.ts';

/**
 * Runs every test that `whateverTheStore` declares on MongoDB.
 *
 * @returns how many passed
 * @throws with the titles of those that failed
 */
export async function runWhateverTheStore(
  host: ProofHost,
  onTest: (passed: number) => void,
): Promise<number> {
  const files = globSync('test/**/*.test.ts').filter(file =>
    readFileSync(file, 'utf8').includes('whateverTheStore('),
  );
  const runner = spawn(process.execPath, ['test/run.ts', '--match=*(mongodb)', ...files], {
    env: { ...process.env, COUNTERSIGN_TEST_MONGODB: 'all', COUNTERSIGN_TEST_RETRIES: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  host.teardown(() => runner.kill('SIGTERM'));
  const failed: string[] = [];
  let passed = 0;
  for await (const line of createInterface({ input: runner.stdout })) {
    if (line.startsWith('✘ ')) failed.push(line.slice(2));
    if (!line.startsWith('✔ ')) continue;
    passed += 1;
    onTest(passed);
  }
  assert.deepEqual(failed, []);
  assert.ok(passed > 0, 'no test was run');
  return passed;
}
