import type { Agent } from '../agents/index.ts';
import type { Conflict, Origin } from '../audit/index.ts';
import type { AuthenticatedClient, VerifiedDpopProof } from '../clients/index.ts';
import type { FormFields } from '../oauth.ts';
import type { IssueDecision } from './decide-issue.ts';
import type { BasisRefused, TokenResponse } from './token-response.ts';

/** An authenticated request for a token that somebody would have to countersign. */
export interface DeferrableRequest {
  readonly authenticated: AuthenticatedClient;
  readonly agent: Agent;
  readonly form: FormFields;
  readonly proof: VerifiedDpopProof | undefined;
  readonly decision: Extract<IssueDecision, { readonly outcome: 'needs-approval' }>;
  /** The delegation that is exchanged; undefined for an agent that asks for itself. */
  readonly delegationId: string | undefined;
}

/** Why a request does not wait after all, or that what it presents had been used before. */
export type NotDeferred =
  | BasisRefused<string>
  | { readonly outcome: 'conflict'; readonly conflict: Extract<Conflict, 'already-used'> };

/** Somebody who presents the code of a request that waits. */
export interface CodePresented {
  readonly authenticated: AuthenticatedClient;
  readonly code: string;
  readonly proof: VerifiedDpopProof | undefined;
}

/**
 * How a request waits for a countersignature, and how whoever made it hears of that: what the token endpoint and `/revoke` need to know
 * of it. In which words stands in `elevation/deferred-token-response.ts`.
 */
export interface Deferral {
  /** `grant_type` by which is asked what has become of a request. */
  readonly grantType: string;
  /** Told to a request that could wait and does not: how it would. */
  readonly hint: string;
  /**
   * Has a request wait, where it says that it would.
   *
   * @returns undefined where it does not: it is refused for what it is
   * @throws {Refused} that it waits, with what to ask by; committed, with what was spent
   */
  defer(request: DeferrableRequest, origin: Origin): Promise<NotDeferred | undefined>;
  /**
   * The code of a request that asks what has become of another one. Nothing is used up by it.
   *
   * @throws {Refused} it has none, or would change what was asked for
   */
  codeOf(form: FormFields): string;
  /**
   * What has become of a request: its token, once.
   *
   * @returns `pending` while nobody has decided
   * @throws {Refused} why there is none
   */
  poll(presented: CodePresented, origin: Origin): Promise<TokenResponse | 'pending'>;
  /** Whether a value has the form of a code. */
  isCode(value: string): boolean;
  /** Withdraws a request; nothing happens where there is nothing to withdraw (RFC 7009 section 2.2). */
  cancel(presented: CodePresented, origin: Origin): Promise<void>;
}
