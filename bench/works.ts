/** What the servers are made to do. The names are the same in every document that speaks of their speed. */
import { randomBytes, randomInt } from 'node:crypto';
import { adminToken, creatingAgents } from './admin-api.ts';
import { type ClientKey, signAssertions } from './client-key.ts';
import { delegationOf } from './delegation.ts';
import { type Asked, basic, isPending, newlyApproved, nextWaiting } from './elevation.ts';
import { drive, type Requests } from './load-generator.ts';
import {
  type BasicCredentials,
  JWT_RESOURCE,
  OPAQUE_RESOURCE,
  SCOPE,
  type ServerProcess,
  type Target,
} from './servers.ts';

export interface Work {
  readonly name: string;
  readonly title: string;
  /** How many times the CPU time of a request the base must need at 64 connections, for the run to pass; none where absent. */
  readonly bar?: number;
  /** The same at one connection. */
  readonly barAlone?: number;
  readonly requestsPerRound: number;
  /**
   * The same for one connection, where the usual share of it is too short to be sure; a comparison of checkouts measures those works
   * at one connection too.
   */
  readonly requestsAlone?: number;
  /** Where the usual number would take too long. */
  readonly warmUpRequests?: number;
  /** How many tokens must be live before it begins: so many, or as many as the run is told. */
  readonly liveTokens?: number | 'as-told';
  /** How many clients must be registered. */
  readonly crowd?: number;
  /** How many agents are killed, one by one, while it is measured. */
  readonly kills?: number;
  /** Whether it takes too long for a quick run, and for a comparison of checkouts. */
  readonly isLong?: boolean;
  /** Whether only Countersign can do it, so that it is measured in a comparison of checkouts alone. */
  readonly isOurs?: boolean;
  /** Makes the requests of one round, and whatever must exist for them; none of that is measured. */
  readonly requests: MakeRequests;
  /** What a second Countersign is made to do in the place of bare oidc-provider, which cannot do it or is not what is asked about. */
  readonly base?: BaseWork;
  /** What is different where the records are in MongoDB. */
  readonly onMongo?: Partial<Work>;
}

/** What another server is made to do beside the one that is measured. */
export interface BaseWork {
  readonly requests: MakeRequests;
  /** How many tokens must be live; as many as of the other where absent. */
  readonly liveTokens?: number;
}

export type MakeRequests = (scene: Scene, count: number) => Promise<Requests>;

/** One server in one work. */
export interface Scene {
  readonly server: ServerProcess;
  readonly clientKey: ClientKey;
  readonly connections: number;
  /** All that are live, in random order; empty where the work needs none. */
  readonly liveTokens: readonly string[];
  /** How many of them have been asked about. */
  asked: number;
}

export const WORKS: readonly Work[] = [
  {
    name: 'W1',
    title: 'client credentials, opaque, client_secret_basic',
    bar: 1.8,
    requestsPerRound: 20_000,
    requestsAlone: 4_000,
    requests: async ({ server }, count) => issuing(server.target, OPAQUE_RESOURCE, count),
  },
  {
    name: 'W1-private_key_jwt',
    title: 'client credentials, opaque, private_key_jwt (ES256)',
    bar: 1.6,
    requestsPerRound: 10_000,
    async requests({ server: { target }, clientKey }, count) {
      const form = issueForm(OPAQUE_RESOURCE);
      form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      const assertions = signAssertions(clientKey, target.keyClientId, target.issuer, count);
      return {
        ...endpoint(target, target.paths.token),
        bodies: assertions.map(assertion => `${form}&client_assertion=${assertion}`),
        isExpected: holdsToken,
      };
    },
  },
  {
    name: 'W2',
    title: 'client credentials, JWT (ES256), client_secret_basic',
    bar: 1.85,
    requestsPerRound: 12_000,
    requests: async ({ server }, count) => ({
      ...issuing(server.target, JWT_RESOURCE, count),
      isExpected: body => /"access_token":"[\w-]+\.[\w-]+\.[\w-]{86}"/.test(body),
    }),
  },
  {
    name: 'W1m',
    title: 'as W1, by 2,000 clients in turn',
    requestsPerRound: 20_000,
    crowd: 2_000,
    async requests({ server: { target } }, count) {
      const headers = target.crowd.map(basic);
      const authorizations = Array.from({ length: count }, (_, index) => cyclic(headers, index));
      return { ...issuing(target, OPAQUE_RESOURCE, count), authorizations };
    },
  },
  {
    name: 'W3',
    title: 'introspection of live tokens, all different, in random order, while agents are killed',
    bar: 3.1,
    barAlone: 1.2,
    requestsPerRound: 25_000,
    liveTokens: 'as-told',
    kills: 20,
    requestsAlone: 20_000,
    requests: introspectingLive,
  },
  {
    name: 'W3@1e3',
    title: 'introspection with 1,000 live tokens',
    requestsPerRound: 25_000,
    liveTokens: 1_000,
    isLong: true,
    requests: introspectingLive,
  },
  {
    name: 'W3@1e6',
    title: 'introspection with 1,000,000 live tokens; the base is our own, with 1,000',
    // At most 1.2 times its CPU.
    bar: 0.83,
    requestsPerRound: 25_000,
    liveTokens: 1_000_000,
    isLong: true,
    requests: introspectingLive,
    base: { requests: introspectingLive, liveTokens: 1_000 },
  },
  {
    name: 'W4',
    title: 'introspection of unknown tokens',
    bar: 2.7,
    requestsPerRound: 25_000,
    liveTokens: 'as-told',
    async requests({ server, liveTokens }, count) {
      // Another end on a live token: nothing but looking it up can tell that the server never issued it.
      const tokens = Array.from(
        { length: count },
        (_, index) => cyclic(liveTokens, index).slice(0, -12) + randomBytes(9).toString('base64url'),
      );
      return introspecting(server.target, tokens, body => body === '{"active":false}');
    },
  },
  {
    name: 'W5',
    title: 'revocation of fresh tokens',
    bar: 1.85,
    requestsPerRound: 15_000,
    async requests({ server: { target }, connections }, count) {
      const tokens = await issueTokens(target, count, connections);
      return {
        ...endpoint(target, target.paths.revocation, target.secretClient),
        bodies: tokens.map(token => `token=${token}`),
        // RFC 7009 section 2.2: the status alone counts.
        isExpected: () => true,
      };
    },
  },
  {
    name: 'W6',
    title: 'token exchange of a delegation, by client_secret_basic; the base is our own client credentials',
    // At most 1.4 times their CPU.
    bar: 0.71,
    requestsPerRound: 20_000,
    async requests({ server: { target } }, count) {
      const form = new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: await delegationOf(target),
        subject_token_type: 'urn:countersign:token-type:delegation',
        resource: OPAQUE_RESOURCE,
        scope: SCOPE,
      });
      return {
        ...issuing(target, OPAQUE_RESOURCE, count),
        bodies: new Array<string>(count).fill(form.toString()),
      };
    },
    base: { requests: async ({ server }, count) => issuing(server.target, OPAQUE_RESOURCE, count) },
  },
  {
    name: 'W8-discovery',
    title: 'metadata',
    bar: 2.5,
    requestsPerRound: 30_000,
    requests: async ({ server: { target } }, count) => ({
      ...endpoint(target, target.paths.discovery),
      bodies: new Array<string>(count).fill(''),
      isExpected: body => body.includes('"token_endpoint":'),
    }),
  },
  {
    name: 'W8-jwks',
    title: 'public keys',
    requestsPerRound: 30_000,
    requests: async ({ server: { target } }, count) => ({
      ...endpoint(target, target.paths.jwks),
      bodies: new Array<string>(count).fill(''),
      isExpected: body => body.includes('"keys":'),
    }),
  },
  {
    name: 'W9-poll',
    // At most 1.2 times its CPU.
    bar: 0.83,
    ...polling(10_000),
    // So many requests take a small server of MongoDB's kind a quarter of an hour.
    onMongo: polling(1_000),
    base: { requests: introspectingLive },
  },
  {
    name: 'W9-redeem',
    title: 'redemption of what a person has countersigned; the base is our own client credentials',
    // Each takes a person of its own to prepare.
    requestsPerRound: 100,
    warmUpRequests: 100,
    // Nobody asks about them: the compiler has been at work on issuing.
    liveTokens: 10_000,
    async requests({ server: { target } }, count) {
      return fetching(target, await newlyApproved(target, count));
    },
    base: { requests: async ({ server }, count) => issuing(server.target, OPAQUE_RESOURCE, count) },
  },
  {
    name: 'create-agent',
    title: 'agents registered over the admin API',
    requestsPerRound: 4_000,
    warmUpRequests: 4_000,
    isOurs: true,
    async requests({ server: { target } }, count) {
      const { admin } = target;
      if (!admin) throw new Error('it has no admin API');
      const token = await adminToken({ ...target, admin });
      return creatingAgents({ ...target, ...admin, token }, count, { method: 'client_secret' });
    },
  },
];

/** @param waiting how many agents wait; each may poll once in a round */
function polling(
  waiting: number,
): Pick<Work, 'title' | 'requestsPerRound' | 'warmUpRequests' | 'liveTokens' | 'requests'> {
  return {
    title: `polls of ${waiting.toLocaleString('en')} agents that wait for a person, by client_secret_basic; the base is our own introspection, so authenticated`,
    requestsPerRound: waiting,
    warmUpRequests: waiting,
    liveTokens: waiting,
    async requests({ server: { target } }, count) {
      const asked = await nextWaiting(target, waiting, count);
      return {
        ...fetching(target, asked),
        status: 400,
        isExpected: isPending,
        onAnswer: (_, index) => {
          (asked[index] as Asked).polledAt = Date.now();
        },
      };
    },
  };
}

/** @throws {TypeError} when there is none of this name */
export function findWork(name: string): Work {
  const work = WORKS.find(each => each.name.toLowerCase() === name.trim().toLowerCase());
  if (!work) throw new TypeError(`no work '${name}'; permitted: ${WORKS.map(each => each.name).join(', ')}`);
  return work;
}

/** Issues opaque tokens for the resource server that introspects. */
export async function issueTokens(target: Target, count: number, connections: number): Promise<string[]> {
  const tokens: string[] = [];
  const onAnswer = (body: string): void => {
    tokens.push((JSON.parse(body) as { access_token: string }).access_token);
  };
  await drive({ ...issuing(target, OPAQUE_RESOURCE, count), onAnswer }, connections);
  return tokens;
}

/** Fisher and Yates. */
export function shuffle<T>(values: T[]): T[] {
  for (let last = values.length - 1; last > 0; last -= 1) {
    const other = randomInt(last + 1);
    [values[last], values[other]] = [values[other] as T, values[last] as T];
  }
  return values;
}

async function introspectingLive(scene: Scene, count: number): Promise<Requests> {
  const { server, liveTokens } = scene;
  const tokens = Array.from({ length: count }, (_, index) => cyclic(liveTokens, scene.asked + index));
  scene.asked += count;
  return introspecting(server.target, tokens, body => body.includes('"active":true'));
}

function issuing(target: Target, resource: string, count: number): Requests {
  return {
    ...endpoint(target, target.paths.token, target.secretClient),
    bodies: new Array<string>(count).fill(issueForm(resource).toString()),
    isExpected: holdsToken,
  };
}

/** Fetching what comes of requests. */
function fetching(target: Target, asked: readonly Asked[]): Requests {
  return {
    ...endpoint(target, target.paths.token),
    authorizations: asked.map(({ client }) => basic(client)),
    bodies: asked.map(
      ({ code }) => `grant_type=urn:ietf:params:oauth:grant-type:deferred&deferral_code=${code}`,
    ),
    isExpected: holdsToken,
  };
}

function issueForm(resource: string): URLSearchParams {
  return new URLSearchParams({ grant_type: 'client_credentials', resource, scope: SCOPE });
}

function holdsToken(body: string): boolean {
  return /"access_token":"[\w.-]{43,}"/.test(body);
}

function introspecting(
  target: Target,
  tokens: readonly string[],
  isExpected: Requests['isExpected'],
): Requests {
  return {
    ...endpoint(target, target.paths.introspection, target.resourceServer),
    bodies: tokens.map(token => `token=${token}`),
    isExpected,
  };
}

function endpoint(
  target: Target,
  path: string,
  client?: BasicCredentials,
): Pick<Requests, 'port' | 'host' | 'path' | 'authorization'> {
  return {
    port: target.port,
    host: new URL(target.issuer).host,
    path,
    authorization: client && basic(client),
  };
}

function cyclic(values: readonly string[], index: number): string {
  return values[index % values.length] as string;
}
