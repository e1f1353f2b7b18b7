import { join } from 'node:path';
import { CACHE } from './python-package.ts';

/** Node.js keeps here what it has compiled: tests start the same program hundreds of times, and half of each start goes into that. */
export const COMPILED = { NODE_COMPILE_CACHE: join(CACHE, 'compiled') };
