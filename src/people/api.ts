/** People in the admin API: every call, described. */
import { z } from 'zod';
import { adminCall, shownPage, shownRecord } from '../admin-api/index.ts';
import { closedObject, idOf, killInput, pageQuery, sortInput } from '../input/index.ts';
import { ROLES } from './person.ts';
import { personChanges, personInput } from './person-input.ts';

const ADA = `usr_${'a'.repeat(32)}`;
const params = { id: idOf('usr') };
const example = { params: { id: ADA } };
const tag = 'People';

export const shownPerson = closedObject({
  id: idOf('usr'),
  name: z.string().describe('What people call them.'),
  email: z.string().optional().describe('They sign in with it; nobody else has it.'),
  roles: z.array(z.enum(ROLES)).describe('What they may do here.'),
  status: z.enum(['active', 'disabled']),
  ...shownRecord,
}).meta({
  id: 'Person',
  description: 'A human. Agents have an owner, so a person exists before an agent does.',
});

const shownInvitation = closedObject({
  link: z
    .string()
    .describe('Where the person enrols: whoever has it becomes them, so it is sent to them alone.'),
  expiresAt: z.string().describe('Until when it is good (RFC 3339).'),
}).meta({ id: 'Invitation', description: 'A way in for one person, once.' });

export const peopleCalls = {
  createPerson: adminCall({
    method: 'POST',
    path: '/people',
    tag,
    scope: 'people',
    summary: 'Register a person',
    body: personInput.meta({ id: 'PersonInput' }),
    answer: shownPerson,
    status: 201,
    etag: true,
    location: true,
    refusals: ['person-exists'],
    example: { body: { id: ADA, name: 'Ada Owner', email: 'ada@example.com' } },
  }),
  listPeople: adminCall({
    method: 'GET',
    path: '/people',
    tag,
    scope: 'read',
    summary: 'List people',
    description: 'Filters may be combined.',
    query: closedObject({
      ...pageQuery,
      sort: sortInput,
      status: z.enum(['active', 'disabled']).optional().describe('Only those that are this.'),
      role: z.enum(ROLES).optional().describe('Only those who have this role.'),
      email: z
        .string()
        .min(1)
        .max(254)
        .optional()
        .describe('Only who has this address, without regard to case.'),
    }),
    answer: shownPage(shownPerson).meta({ id: 'PersonPage' }),
    paged: true,
    example: { query: { limit: '20' } },
  }),
  getPerson: adminCall({
    method: 'GET',
    path: '/people/{id}',
    tag,
    scope: 'read',
    summary: 'Read a person',
    params,
    answer: shownPerson,
    etag: true,
    refusals: ['person-unknown'],
    example,
  }),
  updatePerson: adminCall({
    method: 'PATCH',
    path: '/people/{id}',
    tag,
    scope: 'people',
    summary: 'Change a person',
    description: 'Fields left out stay as they are; `null` takes a value away (RFC 7396).',
    params,
    body: personChanges.meta({ id: 'PersonChanges' }),
    ifMatch: true,
    answer: shownPerson,
    etag: true,
    refusals: ['person-unknown', 'value-taken', 'administrator-not-invited'],
    example: { ...example, body: { name: 'Ada Lovelace', roles: ['member', 'approver'] } },
  }),
  invitePerson: adminCall({
    method: 'POST',
    path: '/people/{id}/invite',
    tag,
    scope: 'people',
    summary: 'Invite a person to sign in',
    description:
      'Makes a link by which the person sets a password and an authenticator app. It is shown once and works once; links made before are void. Somebody who has enrolled already needs a reset, and an administrator is invited by another one as soon as there is one.',
    params,
    mayMatch: true,
    answer: shownInvitation,
    refusals: ['person-unknown', 'person-disabled', 'person-enrolled', 'administrator-not-invited'],
    example,
  }),
  killPerson: adminCall({
    method: 'POST',
    path: '/people/{id}/kill',
    tag,
    scope: 'kill',
    summary: 'Disable a person and end everything that traces back to them',
    description:
      'One write. A disabled person stays as they are. The person behind the bootstrap client cannot be disabled until somebody has enrolled as it.',
    params,
    body: killInput,
    bodyOptional: true,
    mayMatch: true,
    answer: shownPerson,
    etag: true,
    refusals: ['person-unknown', 'record-protected'],
    example: { ...example, body: { reason: 'It does what nobody asked it for' } },
  }),
  restorePerson: adminCall({
    method: 'POST',
    path: '/people/{id}/restore',
    tag,
    scope: 'people',
    summary: 'Enable a person again',
    description:
      'What had died stays dead. Their agents get tokens again: what those may do at this API, the caller must be allowed too.',
    params,
    mayMatch: true,
    answer: shownPerson,
    etag: true,
    refusals: ['person-unknown', 'admin-scope-not-held'],
    example,
  }),
};
