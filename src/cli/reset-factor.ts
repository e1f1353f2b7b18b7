import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import { resetFactor } from '../people/index.ts';
import { visibleText } from '../text/index.ts';
import { withRecovery } from './open-recovery.ts';

/** Makes the link by which a person sets anew how they sign in, and shows it. */
export async function showResetLink(id: string): Promise<void> {
  await withRecovery(async ({ config, store, origin }) => {
    if (config.issuer === undefined)
      throw new Error('COUNTERSIGN_ISSUER is not set: the link has to begin with it');
    if (isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT)))
      throw new Error('The store is quarantined, and opening it would void the link: open it first.');
    const deps = {
      people: store,
      credentials: store,
      store,
      freshness: store,
      epochs: store.epochs,
      issuer: config.issuer,
    };
    const { person, link, expiresAt } = await resetFactor(deps, id, origin);
    process.stderr.write(
      `${visibleText(person.name)} enrols by this link, once, until ${new Date(expiresAt).toISOString()}. Whoever has it becomes them:\n`,
    );
    process.stdout.write(`${link}\n`);
  });
}
