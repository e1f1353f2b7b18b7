/** The admin API as every version of it understands it. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { askAgainAfterMs, MOST_REPEATS, type Requests } from './load-generator.ts';
import { type Admin, JWT_RESOURCE, OPAQUE_RESOURCE, SCOPE, type Target } from './servers.ts';

const BASE = '/api/v1';

/**
 * A token of the administrator's for everything they may: names of scopes differ from version to version. It is good for a few
 * minutes.
 */
export async function adminToken({
  issuer,
  paths,
  admin,
}: Pick<Target, 'issuer' | 'paths'> & { readonly admin: Pick<Admin, 'client'> }): Promise<string> {
  const { id, secret } = admin.client;
  const answer = await patientFetch(issuer + paths.token, {
    method: 'POST',
    headers: { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: `${issuer}/api` }),
  });
  const body = (await answer.json()) as { readonly access_token?: string };
  if (body.access_token === undefined) {
    throw new Error(`the administrator gets no token: ${answer.status} ${JSON.stringify(body)}`);
  }
  return body.access_token;
}

/** Registers one, or acts on one. */
export async function post(
  issuer: string,
  path: string,
  body: object | undefined,
  token: string,
): Promise<{ readonly id: string; readonly secret?: string }> {
  const answer = await patientFetch(`${issuer}${BASE}/${path}`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(`POST ${BASE}/${path} was answered with ${answer.status} ${text.slice(0, 200)}`);
  return JSON.parse(text) as { readonly id: string; readonly secret?: string };
}

/** Asks again where the server cannot answer at the moment. */
export async function patientFetch(url: string | URL, request: RequestInit): Promise<Response> {
  for (let repeats = 0; ; repeats += 1) {
    const answer = await fetch(url, request);
    if (answer.status !== 503 || repeats === MOST_REPEATS) return answer;
    await answer.arrayBuffer();
    await delay(askAgainAfterMs(answer.headers.get('Retry-After')));
  }
}

const READS = [OPAQUE_RESOURCE, JWT_RESOURCE].map(resource => ({ resource, scopes: [SCOPE] }));

/** Registers agents, that may read at both resource servers unless it is said otherwise; no two have one name. */
export function creatingAgents(
  {
    issuer,
    port,
    ownerId,
    token,
  }: Pick<Target, 'issuer' | 'port'> & Pick<Admin, 'ownerId'> & { token: string },
  count: number,
  credential: object,
  may: { readonly envelope: object; readonly baseline: object } = { envelope: READS, baseline: READS },
): Requests {
  const run = randomBytes(6).toString('hex');
  return {
    port,
    host: new URL(issuer).host,
    path: `${BASE}/agents`,
    authorization: `Bearer ${token}`,
    contentType: 'application/json',
    status: 201,
    bodies: Array.from({ length: count }, (_, index) =>
      JSON.stringify({
        name: `Agent ${run} ${index}`,
        ownerId,
        ...may,
        credential,
      }),
    ),
    isExpected: body => body.includes('"id":"agt_'),
  };
}
