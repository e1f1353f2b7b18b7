import { join } from 'node:path';
import { CACHE } from './python-package.ts';

/** Node.js keeps here what it has compiled: tests start the same program hundreds of times, and half of each start goes into that. */
export const COMPILED = { NODE_COMPILE_CACHE: join(CACHE, 'compiled') };

/** What a process that a test starts gets of the environment: nothing of the caller's own settings. */
export const CHILD_ENV: Readonly<Record<string, string>> = { PATH: process.env['PATH'] ?? '', ...COMPILED };
