import type { Origin } from '../audit/index.ts';
import { issueEnrolment, openEnrolment } from './enrolment.ts';
import type { Person } from './person.ts';
import { PERSON_FACETS } from './person-facets.ts';
import type { LinkDeps, SignInDeps } from './sign-in-deps.ts';

/** Where the link for the first administrator is kept for whoever runs the host. */
export interface LinkFile {
  read(): string | undefined;
  write(link: string): void;
  remove(): void;
}

const PEOPLE_PER_PAGE = 100;

/**
 * Sees to it that somebody can become the first administrator: while none has enrolled there is a link for it, in a file of the host.
 * Called at every start: a link that has expired, or was lost with its file, is made anew, and what was before is void.
 *
 * @param operatorId the person who stands behind the bootstrap client, and whom the first administrator takes over
 * @returns whether a link was made
 */
export async function ensureFirstAdministrator(
  deps: SignInDeps,
  operatorId: string,
  file: LinkFile,
  origin: Origin,
): Promise<boolean> {
  await deps.freshness.fresh();
  const operator = await deps.people.findPerson(operatorId);
  if (operator?.status !== 'active' || (await isAdministered(deps))) {
    file.remove();
    return false;
  }
  if (await isGoodLink(deps, file.read(), origin)) return false;
  const { link } = await issueEnrolment(deps, operator, 'first-administrator', [], {
    ...origin,
    authority: { none: 'boot' },
  });
  file.write(`${link}\n`);
  return true;
}

/** Whether any administrator has enrolled. */
export async function isAdministered(deps: Pick<LinkDeps, 'people' | 'credentials'>): Promise<boolean> {
  let after: string | undefined;
  do {
    const page = await deps.people.listPeople({
      limit: PEOPLE_PER_PAGE,
      facets: [PERSON_FACETS.role('admin')],
      ...(after !== undefined && { after }),
    });
    for (const person of page.items) if (await isEnrolled(deps, person)) return true;
    after = page.next;
  } while (after !== undefined);
  return false;
}

async function isEnrolled(deps: Pick<LinkDeps, 'credentials'>, person: Person): Promise<boolean> {
  return (await deps.credentials.findCredential(person.id)) !== undefined;
}

async function isGoodLink(deps: SignInDeps, link: string | undefined, origin: Origin): Promise<boolean> {
  const value = link?.trim().split('/').at(-1);
  if (value === undefined || value === '') return false;
  return openEnrolment(deps, value, origin).then(
    () => true,
    () => false,
  );
}
