import type { Context } from 'koa';
import type { AgentStore } from '../agents/index.ts';
import type { Applications } from '../applications/index.ts';
import type { AuditStore, Freshness, Origin } from '../audit/index.ts';
import type { DelegationStore } from '../delegation/index.ts';
import type { ApproveDeps, Displays } from '../elevation/index.ts';
import type { PersonSession, SignInDeps } from '../people/index.ts';
import type { Interactions } from '../provider/index.ts';
import type { ErrorReferences } from '../refusals/index.ts';
import type { ResourceStore } from '../resources/index.ts';
import type { TokenStore } from '../tokens/index.ts';
import type { Words } from './words.ts';

/** What pages need. */
export interface PageDeps {
  readonly issuer: URL;
  readonly signIn: SignInDeps;
  readonly agents: AgentStore;
  readonly applications: Pick<Applications, 'find' | 'remember'>;
  readonly resources: Pick<ResourceStore, 'findResource' | 'findResourceByIdentifier'>;
  readonly delegations: DelegationStore;
  readonly elevation: ApproveDeps & { readonly displays: Displays };
  readonly audit: Pick<AuditStore, 'listRows'>;
  readonly freshness: Freshness;
  readonly tokens: Pick<TokenStore, 'commit'>;
  /** The longest that any token lives. */
  readonly maxTtlSeconds: number;
  /** Where the engine waits for a person. */
  readonly interactions: Interactions;
  readonly references: ErrorReferences;
  /** The page about errors. */
  readonly docsUrl: string;
  /** Takes a defect of ours, or what keeps the server from answering. */
  readonly onError: (error: unknown, origin: Origin) => void;
  /** Counts a refusal, for metrics. */
  readonly onRefusal: (path: string, reason: string) => void;
}

/** One request for a page. */
export interface Visit {
  readonly origin: Origin;
  readonly words: Words;
  /** The path, below the issuer's. */
  readonly path: string;
  /** A member of the query, where it is there once. */
  query(name: string): string | undefined;
  /** For the engine, which reads cookies of its own. */
  readonly ctx: Context;
  /** A parameter of the path. */
  param(name: string): string;
  /** The value of one of our cookies. */
  cookie(name: CookieName): string | undefined;
}

/** A request of somebody who is signed in. */
export interface SignedInVisit extends Visit {
  readonly session: PersonSession;
  readonly sessionValue: string;
}

/**
 * - `session`: a person is signed in
 * - `sign-in`: the password was right, the second factor is missing
 * - `enrolment`: an enrolment link was opened
 * - `form`: nobody is known yet; ties a form to the browser that it was shown to
 */
export type CookieName = 'session' | 'sign-in' | 'enrolment' | 'form';

/** What a page answers with. */
export type PageAnswer =
  | {
      readonly view: string;
      readonly title: string;
      readonly data?: Readonly<Record<string, unknown>>;
      readonly status?: number;
      readonly cookies?: CookieChanges;
      /** Whose form tokens the page carries. */
      readonly holder?: { readonly cookie: CookieName; readonly value: string };
      readonly person?: { readonly name: string };
      /** Where a form of the page may lead besides here: browsers look at redirects too. */
      readonly leadsTo?: string;
    }
  | { readonly redirect: string; readonly cookies?: CookieChanges };

/** New values by name; null takes a cookie away. */
export type CookieChanges = Partial<Record<CookieName, string | null>>;
