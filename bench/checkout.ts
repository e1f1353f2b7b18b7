/** Another checkout of this project, to compare with. */
import { execFile } from 'node:child_process';
import { access, readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What of a failed build is shown. */
const BUILD_LINES = 10;

export interface Checkout {
  readonly directory: string;
  /** Its commit, and whether files differ from that; its version where git knows nothing of it. */
  readonly version: string;
  /** Its compiled main program. */
  readonly main: string;
}

/**
 * Looks at a checkout and builds it, as it builds itself (`npm run build`).
 *
 * @param own the checkout that the run is started in: another is wanted
 * @throws {TypeError} when it cannot be compared with, and what to do about it
 */
export async function openCheckout(given: string, own: string): Promise<Checkout> {
  const named = `--against: '${given}'`;
  const make = `make one with: git worktree add --detach ${given} COMMIT && cd ${given} && npm ci`;
  const directory = await realpath(resolve(given)).catch(() => {
    throw new TypeError(`${named} is not there; ${make}`);
  });
  const { name } = await readPackage(directory).catch(() => ({ name: undefined }));
  if (name !== 'countersign') throw new TypeError(`${named} is no checkout of Countersign; ${make}`);
  if (directory === (await realpath(own))) {
    throw new TypeError(
      `${named} is the checkout that this runs in; ${make.replaceAll(given, '../against')}`,
    );
  }
  if (!(await isThere(join(directory, 'node_modules/.package-lock.json')))) {
    throw new TypeError(`${named} is not installed; install it with: cd ${given} && npm ci`);
  }
  await run('npm', ['run', 'build'], { cwd: directory }).catch(error => {
    const said = `${error.stdout ?? ''}${error.stderr ?? ''}`.trimEnd() || String(error);
    const last = said.split('\n').slice(-BUILD_LINES).join('\n');
    throw new TypeError(`${named} cannot be built; does it need: cd ${given} && npm ci\n${last}`);
  });
  const main = join(directory, 'dist/src/main.js');
  if (!(await isThere(main))) throw new TypeError(`${named} has no ${main} when it is built: it is too old`);
  return { directory, version: await describeCheckout(directory), main };
}

/** The commit of a checkout, and whether files differ from that; its version where git knows nothing of it. */
export async function describeCheckout(directory: string): Promise<string> {
  try {
    const git = async (...args: readonly string[]): Promise<string> =>
      (await run('git', ['-C', directory, ...args])).stdout.trim();
    const commit = await git('rev-parse', '--short', 'HEAD');
    return (await git('status', '--porcelain')) === '' ? commit : `${commit} with changes`;
  } catch {
    return (await readPackage(directory)).version ?? 'unknown';
  }
}

async function readPackage(
  directory: string,
): Promise<{ readonly name?: string; readonly version?: string }> {
  return JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
