#!/usr/bin/env node
// Plain JavaScript that any Node.js can read: it finds one that can run the program, and says what is missing otherwise.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEEDED = [24, 15];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isNewEnough = major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
const path = relative => fileURLToPath(new URL(relative, import.meta.url));
const program = existsSync(path('../dist/src/cli/main.js'))
  ? path('../dist/src/cli/main.js')
  : path('../src/cli/main.ts');

if (isNewEnough) {
  await import(program);
} else {
  const bundled = ['../node_modules/.bin/node', '../../.bin/node'].map(path).find(existsSync);
  if (!bundled) {
    console.error(
      `countersign needs Node.js ${NEEDED.join('.')} or newer; this is ${process.versions.node}.`,
    );
    process.exit(1);
  }
  const { status, signal } = spawnSync(bundled, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exit(signal ? 1 : (status ?? 1));
}
