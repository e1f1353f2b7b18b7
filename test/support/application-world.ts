/** An application that acts for people, and a person at their browser. */
import type { ExecutionContext } from 'ava';
import * as client from 'openid-client';
import { createAgent } from '../../src/agents/index.ts';
import { type MovableTime, movableTime } from './movable-time.ts';
import { type HttpCaller, openCaller } from './server-process.ts';
import { type App, addPerson, addResource, startApp, startAppIn } from './start-app.ts';
import type { StoreEnv } from './stores.ts';
import { type Enrolled, enrol, Visitor } from './visitor.ts';

export const REDIRECT = 'http://127.0.0.1/callback';
export const WEB = 'https://editor.example/callback';

export interface World {
  readonly app: App;
  readonly resource: Awaited<ReturnType<typeof addResource>>;
  readonly clientId: string;
  readonly config: client.Configuration;
  readonly visitor: Visitor;
  readonly ada: Enrolled;
  /** Lets time go by, in all processes. */
  pass(ms: number): void;
  /** Registers another one like it. @returns its client identifier */
  addApplication(method?: 'none' | 'client_secret'): Promise<string>;
  /** One more process on the same store. @returns asks it */
  startSecond(): Promise<HttpCaller>;
  /** From an address at the authorization endpoint until the browser is back at the application. */
  walkTo(visitor: Visitor, address: string, decision?: string): Promise<Pick<Walked, 'callback'>>;
  /** The same, for a request with these parameters besides what it has to have. */
  walk(visitor: Visitor, parameters?: Record<string, string>, decision?: string): Promise<Walked>;
}

export interface Walked {
  readonly callback: URL;
  readonly checks: client.AuthorizationCodeGrantChecks;
}

export async function startWorld(
  t: ExecutionContext,
  application?: object,
  store: StoreEnv = {},
  time: MovableTime = movableTime(),
): Promise<World> {
  const app = await startApp(t, { time, databaseTime: time.actual, env: store });
  return castWorld(t, app, { ...(application && { application }), store, time });
}

/** A person, a resource server and an application that nobody else has, at a server that is there. */
export async function castWorld(
  t: ExecutionContext,
  app: App,
  {
    application = { redirectUris: [REDIRECT] },
    store = {},
    time,
  }: { readonly application?: object; readonly store?: StoreEnv; readonly time: MovableTime },
): Promise<World> {
  const resource = await addResource(app);
  const owner = await addPerson(app, 'Olga');
  const addApplication = async (method: 'none' | 'client_secret' = 'none'): Promise<string> => {
    const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
    const { agent } = await createAgent(
      deps,
      {
        name: 'Editor',
        purpose: 'Reads orders while you write',
        ownerId: owner.id,
        envelope: [{ resource: resource.identifier, scopes: ['read', 'write'] }],
        baseline: [{ resource: resource.identifier, scopes: ['read'] }],
        application,
        credential: { method },
      },
      app.origin(),
    );
    return agent.id;
  };
  const clientId = await addApplication();
  const config = await client.discovery(new URL(app.issuer), clientId, undefined, client.None(), {
    execute: [client.allowInsecureRequests],
    algorithm: 'oauth2',
  });
  const visitor = new Visitor(app);
  const ada = await enrol(app, visitor);
  const walkTo = async (who: Visitor, address: string, decision = 'allow') => {
    let at = (await who.get(address)).location ?? '';
    if (/\/interaction\//.test(at)) {
      const page = await who.get(at);
      if (page.status !== 200) throw new Error(`${page.status} ${page.location} ${page.text}`);
      at = (await who.submit(new URL(at, app.issuer).pathname, { decision })).location ?? '';
      at = (await who.get(at)).location ?? '';
    }
    return { callback: new URL(at) };
  };
  return {
    app,
    resource,
    clientId,
    addApplication,
    walkTo,
    config,
    visitor,
    ada,
    pass: time.pass,
    startSecond: async () => {
      const second = await startAppIn(app.directory, {
        time,
        databaseTime: time.actual,
        env: { ...store, COUNTERSIGN_ISSUER: app.issuer },
      });
      const caller = openCaller(Number(new URL(second.base).port), app.issuer);
      t.teardown(async () => {
        caller.close();
        await second.stop();
      });
      return caller;
    },
    walk: async (who, parameters = {}, decision = 'allow') => {
      const verifier = client.randomPKCECodeVerifier();
      const state = client.randomState();
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: 'http://127.0.0.1:49152/callback',
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        resource: resource.identifier,
        scope: 'read offline_access',
        prompt: 'consent',
        state,
        ...parameters,
      });
      const { callback } = await walkTo(who, url.href, decision);
      return { callback, checks: { pkceCodeVerifier: verifier, expectedState: state } };
    },
  };
}

export const introspect = async ({ app, resource }: World, token: string) =>
  (await app.post('/introspect', { token }, { basic: [resource.id, resource.secret] })).json;
