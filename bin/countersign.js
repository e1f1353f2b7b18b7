#!/usr/bin/env node
// Plain JavaScript that any Node.js can read: it finds one that can run the program, and says what is missing otherwise.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';

// Of each line the first that refuses a request with too many headers (CVE-2026-58044): before, it left out those beyond the
// limit, and the one that says who calls may be among them. 25 ended without.
const NEEDED = { 24: [18, 1], 26: [5, 1] };
const NEWEST_LINE = 26;
const isNewEnough = isFit(process.versions.node);
// A checkout runs its sources, so that a build from yesterday is never taken for them; a package has no sources.
const program = ['../src/cli/main.ts', '../dist/src/cli/main.js']
  .map(relative => fileURLToPath(new URL(relative, import.meta.url)))
  .find(existsSync);

// Compiled code is kept only where NODE_COMPILE_CACHE names a folder: Node.js would run what it finds in one of /tmp that anybody
// may have made first.
if (isNewEnough) {
  hearSignals();
  await import(program);
} else runWith(findNode());

function isFit(version) {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major > NEWEST_LINE) return true;
  const needed = NEEDED[major];
  return needed !== undefined && (minor > needed[0] || (minor === needed[0] && patch >= needed[1]));
}

/** The first process of a container is not ended by a signal that it does not hear; the server hears them by itself once it is loaded. */
function hearSignals() {
  if (process.pid !== 1) return;
  for (const signal of ['SIGTERM', 'SIGINT'])
    process.on(signal, () => process.exit(process.argv[2] === 'start' ? 0 : 128 + constants.signals[signal]));
}

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
    // The first process of a container cannot end itself by one.
    if (process.pid === 1) process.exit(128 + constants.signals[signal]);
    process.kill(process.pid, signal);
  });
}

function fail(more) {
  console.error(
    `countersign needs Node.js 24.18.1, 26.5.1 or newer; this is ${process.versions.node}.${more}`,
  );
  process.exit(1);
}
