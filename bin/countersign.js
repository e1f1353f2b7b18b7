#!/usr/bin/env node
// Plain JavaScript that any Node.js can read: it finds one that can run the program, and says what is missing otherwise.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';

const NEEDED = [24, 15];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isNewEnough = major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
// A checkout runs its sources, so that a build from yesterday is never taken for them; a package has no sources.
const program = ['../src/cli/main.ts', '../dist/src/cli/main.js']
  .map(relative => fileURLToPath(new URL(relative, import.meta.url)))
  .find(existsSync);

// Compiled code is kept only where NODE_COMPILE_CACHE names a folder: Node.js would run what it finds in one of /tmp that anybody
// may have made first.
if (isNewEnough) await import(program);
else runWith(findNode());

/** The Node.js that npm brought, wherever the package manager put it. */
function findNode() {
  try {
    return createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    return fail('');
  }
}

/** Hands over to another Node.js: its exit is ours, and what we are told to do it is told. */
function runWith(node) {
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
  child.on('error', error => fail(` The one that came with it does not run here (${error.code}).`));
  const isAtTerminal = [0, 1, 2].some(isatty);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal has already sent Ctrl-C to both of us, and a second one would mean: at once.
      if (signal !== 'SIGINT' || !isAtTerminal) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function fail(more) {
  console.error(
    `countersign needs Node.js ${NEEDED.join('.')} or newer; this is ${process.versions.node}.${more}`,
  );
  process.exit(1);
}
