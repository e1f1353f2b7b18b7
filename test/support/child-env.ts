import { join } from 'node:path';

/**
 * What every process that a test starts gets of the environment: nothing of the caller's own settings, and a place where Node.js
 * finds again what it has compiled. Without it each process strips the types of the whole program anew.
 */
export const CHILD_ENV: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '',
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/countersign/compiled'),
};
