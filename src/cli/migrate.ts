import { Command } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '../config/index.ts';
import { newId } from '../ids.ts';
import { inspectStore } from '../store/inspect-store.ts';
import { openStore } from '../store/open-store.ts';
import { type OutputFormat, outputFormat, outputOption, print } from './output.ts';

/** `countersign migrate`. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('Bring the schema of the store up to date, as a start does')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Back it up first (countersign backup): an older program does not start on a newer schema.

Example:
  countersign migrate --config countersign.yaml`,
    )
    .action(migrate);
}

async function migrate({ output }: { readonly output?: OutputFormat }): Promise<void> {
  const { store: location } = loadConfig(process.env);
  const before = await inspectStore(location);
  const store = await openStore(location, { now: Date.now, lane: newId('lane', Date.now()) });
  await store.close();
  const after = await inspectStore(location);
  const report = {
    store: store.description,
    from: before?.schemaVersion ?? 0,
    to: after?.schemaVersion ?? 0,
  };
  await print(report, outputFormat(output), () => {
    const { from, to } = report;
    const done = from === to ? `has schema ${to}, the newest` : `went from schema ${from} to ${to}`;
    return `${pc.green('✔')} ${report.store} ${done}`;
  });
}
