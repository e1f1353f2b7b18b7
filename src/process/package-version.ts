import { readFileSync } from 'node:fs';

/** The version of this program, as its package says. */
export function packageVersion(): string {
  const path = new URL(`${import.meta.url.endsWith('.ts') ? '' : '../'}../../package.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
