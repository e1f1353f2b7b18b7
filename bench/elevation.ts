/** Agents that ask for more than they have, over the token endpoint, and people who countersign it by the pages. */
import { setTimeout as delay } from 'node:timers/promises';
import { generateSync } from 'otplib';
import { adminToken, creatingAgents, post } from './admin-api.ts';
import { drive } from './load-generator.ts';
import { type EnrolledPerson, enrol } from './person.ts';
import { type Admin, type BasicCredentials, SCOPE, type Target } from './servers.ts';

const RESOURCE = 'https://guarded.example/mcp';
const GUARDED_SCOPE = 'refund';
const CONNECTIONS = 16;
/** The server tells an agent to leave so much between two polls. */
const PACE_MS = 5_000;
const STEP_MS = 30_000;

/** An agent that has asked, and what it asks on with. */
export interface Asked {
  readonly client: BasicCredentials;
  readonly code: string;
  /** When it was last told to wait on. */
  polledAt: number;
}

/** Somebody who answers for one agent. */
interface Approver {
  readonly person: EnrolledPerson;
  readonly client: BasicCredentials;
  /** Of the last code that was used. */
  step: number;
}

interface Elevations {
  /** The one polled longest ago comes first. */
  readonly waiting: Asked[];
  readonly approvers: Approver[];
}

const known = new WeakMap<Target, Promise<Elevations>>();

/**
 * Requests of agents that wait for one person, each of another agent: those that were polled longest ago. It waits until each of them
 * may be polled.
 *
 * @param all how many wait at all; they are made at the first call
 * @throws {Error} when the server does not know elevations
 */
export async function nextWaiting(target: Target, all: number, count: number): Promise<readonly Asked[]> {
  const { waiting } = await elevationsOf(target);
  if (waiting.length === 0) {
    const { id } = await enrol(target);
    waiting.push(...(await ask(target, await register(target, id, all))));
  }
  if (count > all) throw new Error(`${count} polls at once, and ${all} requests that wait`);
  const next = waiting.splice(0, count);
  waiting.push(...next);
  const lastPolledAt = Math.max(...next.map(({ polledAt }) => polledAt));
  await delay(Math.max(0, lastPolledAt + PACE_MS - Date.now()));
  return next;
}

/**
 * Requests that were just approved, each by another person: a code of an authenticator app approves one, and the next comes half a minute
 * later.
 *
 * @throws {Error} when the server does not know elevations, or understands the pages otherwise
 */
export async function newlyApproved(target: Target, count: number): Promise<readonly Asked[]> {
  const { approvers } = await elevationsOf(target);
  const approved: Asked[] = [];
  const rested = approvers.filter(({ step }) => step < nextStep()).slice(0, count);
  while (rested.length < count) {
    const person = await enrol(target);
    const [client] = await register(target, person.id, 1);
    const approver = { person, client: client as BasicCredentials, step: 0 };
    approvers.push(approver);
    rested.push(approver);
  }
  for (const approver of rested) {
    approved.push(...(await ask(target, [approver.client])));
    await approve(approver);
  }
  return approved;
}

function elevationsOf(target: Target): Promise<Elevations> {
  let elevations = known.get(target);
  if (!elevations) {
    elevations = guard(target).then(() => ({ waiting: [], approvers: [] }));
    known.set(target, elevations);
  }
  return elevations;
}

/** Registers a resource server with a scope that agents have to ask for. */
async function guard(target: Target): Promise<void> {
  const scopes = [
    { name: SCOPE, sentence: 'Read orders', risk: 'low' },
    { name: GUARDED_SCOPE, sentence: 'Pay money back', risk: 'high' },
  ];
  const resource = { identifier: RESOURCE, name: 'Guarded', scopes, tokenFormat: { kind: 'opaque' } };
  await post(target.issuer, 'resources', resource, await tokenOf(target));
}

async function register(
  target: Target,
  ownerId: string,
  count: number,
): Promise<readonly BasicCredentials[]> {
  const clients: BasicCredentials[] = [];
  const onAnswer = (body: string): void => void clients.push(JSON.parse(body) as BasicCredentials);
  const may = (...scopes: string[]) => [{ resource: RESOURCE, scopes }];
  const creating = creatingAgents(
    { ...target, ownerId, token: await tokenOf(target) },
    count,
    { method: 'client_secret' },
    { envelope: may(SCOPE, GUARDED_SCOPE), baseline: may(SCOPE) },
  );
  await drive({ ...creating, onAnswer }, CONNECTIONS);
  return clients;
}

async function ask({ issuer, port, paths }: Target, clients: readonly BasicCredentials[]): Promise<Asked[]> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    resource: RESOURCE,
    scope: GUARDED_SCOPE,
    completion_mode: 'deferred',
    reason: 'An order came broken',
    duration: '600',
  });
  const asked: Asked[] = [];
  await drive(
    {
      port,
      host: new URL(issuer).host,
      path: paths.token,
      authorizations: clients.map(basic),
      bodies: clients.map(() => form.toString()),
      status: 400,
      isExpected: isPending,
      onAnswer: (body, index) => {
        const { deferral_code: code } = JSON.parse(body) as { readonly deferral_code: string };
        asked.push({ client: clients[index] as BasicCredentials, code, polledAt: 0 });
      },
    },
    CONNECTIONS,
  );
  return asked;
}

/** The only one that waits for them. */
async function approve(approver: Approver): Promise<void> {
  const { browser, secret } = approver.person;
  await browser.open('/approvals');
  const [, card = ''] = /href="(\/approvals\/elv_\w+)"/.exec(browser.html) ?? [];
  await browser.open(card);
  approver.step = nextStep();
  const code = generateSync({ secret, epoch: (approver.step * STEP_MS) / 1_000 });
  const location = await browser.send(`${card}/approve`, { code });
  if (location === '') throw new Error('a request was not approved');
}

/** The code of an app that is a little ahead is accepted: so does whoever has just used the one before. */
function nextStep(): number {
  return Math.floor(Date.now() / STEP_MS) + 1;
}

export function isPending(body: string): boolean {
  return body.startsWith('{"error":"authorization_pending"');
}

export function basic({ id, secret }: BasicCredentials): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

function tokenOf(target: Target): Promise<string> {
  return adminToken({ ...target, admin: target.admin as Admin });
}
