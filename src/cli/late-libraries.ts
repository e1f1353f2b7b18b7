import { createRequire } from 'node:module';
import type CliTable from 'cli-table3';
import type * as Yaml from 'yaml';

/**
 * Libraries that few calls use, each loaded when it is first used. Help and tables are written without waiting, so they are not
 * imported, which would be waited for.
 */
const load = createRequire(import.meta.url);

export function yaml(): typeof Yaml {
  return load('yaml') as typeof Yaml;
}

export function cliTable(): typeof CliTable {
  return load('cli-table3') as typeof CliTable;
}
