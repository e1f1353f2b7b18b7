import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import {
  newRecoveredAdministrator,
  type RecoveredAdministrator,
  recoverAdministrator,
} from '../agents/index.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import { writeNewClientFile } from '../first-start/index.ts';
import { withConfigOption } from './config-option.ts';
import { EXIT, Failure } from './failure.ts';
import { withRecovery } from './open-recovery.ts';

/** `countersign admin …`: what whoever runs the host can do when no administrator is left. */
export function adminCommand(): Command {
  const admin = new Command('admin').description('The way back in, when nobody can administer the server');
  withConfigOption(
    admin
      .command('recover')
      .summary('On the host: make a new administrator')
      .description(
        'Make an agent that may do everything in the admin API, for when every administrator is stopped or has lost its credentials. It works on the configured store, beside a running server, and is in the audit trail. Nobody else gets back what was taken away.',
      )
      .option(
        '-f, --file <file>',
        'where its credentials go, a new file; in COUNTERSIGN_DATA_DIR where absent',
      )
      .addHelpText(
        'after',
        `
Stop it again once others administer the server: countersign agents retire ID

Example:
  countersign admin recover --file administrator.json
  countersign login --url https://auth.example.org --credentials administrator.json`,
      )
      .action(recover),
  );
  return admin;
}

async function recover({ file }: { readonly file?: string }): Promise<void> {
  await withRecovery(async ({ config, store, origin }) => {
    if (isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT)))
      throw new Error('The store is quarantined, and administrators can do nothing: open it first.');
    const client = newRecoveredAdministrator(origin);
    const path = file ?? join(config.dataDirectory, `administrator-${client.clientId}.json`);
    keep(path, client);
    const deps = {
      store,
      agents: store,
      people: store,
      resources: store,
      credentials: store,
      freshness: store,
    };
    try {
      await recoverAdministrator(deps, client, origin);
    } catch (error) {
      rmSync(path);
      throw error;
    }
    process.stderr.write(
      `${client.clientId} may do everything in the admin API. Its credentials, for you only:\n`,
    );
    process.stdout.write(`${path}\n`);
  });
}

/** Before the client is made, so that a crash in between leaves no administrator whose secret nobody has. */
function keep(path: string, client: RecoveredAdministrator): void {
  try {
    writeNewClientFile(path, client);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(
      EXIT.usage,
      `The file for the credentials cannot be made (${code}). Nothing was changed.`,
      {
        file: path,
        permitted: 'a new file, in a folder that you may write to',
      },
    );
  }
}
