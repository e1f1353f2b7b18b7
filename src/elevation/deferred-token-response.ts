/**
 * The wire form of an elevation: draft-ietf-oauth-deferred-token-response-01, and nothing else knows its words but `oauth.ts`, which
 * spells its two URNs. A request for a token that carries `completion_mode=deferred` and needs a countersignature waits: 400
 * `authorization_pending` with a code, by which the client asks on with a grant of its own, and which it gives up at the revocation
 * endpoint. Ours besides: `reason` and `duration` of the request, and `binding_code` of the answer.
 */
import { Refused } from '../errors.ts';
import { DEFERRED_GRANT_TYPE, type FormFields, TOKEN_TYPES } from '../oauth.ts';
import type { DeferrableRequest, Deferral } from '../tokens/index.ts';
import { spentBy } from '../tokens/index.ts';
import { askElevation, type Deferred } from './ask.ts';
import { cancelElevation } from './cancel.ts';
import { digestOfCode, isDeferralCode } from './deferral-code.ts';
import { POLL_INTERVAL_SECONDS, PollPace } from './poll-pace.ts';
import { type RedeemDeps, redeemElevation, spend } from './redeem.ts';

/**
 * What is told besides what has become of an elevation.
 *
 * - `elevation-deferred`: the request waits for a countersignature: no refusal
 * - `elevation-pending`: nobody has decided yet: no refusal either
 * - `elevation-polled-too-fast`: nobody has decided yet, and the client asks too often; `elevation-polled-far-too-fast`: again and again
 * - `deferral-code-missing`: a poll without a code
 * - `deferral-parameter-not-permitted`: a poll that would change what was asked for
 */
export type DeferralRefusal =
  | 'elevation-deferred'
  | 'elevation-pending'
  | 'elevation-polled-too-fast'
  | 'elevation-polled-far-too-fast'
  | 'deferral-code-missing'
  | 'deferral-parameter-not-permitted';

/** What metadata says of it (section 8 of the draft, and RFC 8414). */
export const DEFERRAL_METADATA = {
  deferred_token_response_supported: true,
  revocation_endpoint_token_type_values_supported: [
    'access_token',
    'refresh_token',
    TOKEN_TYPES.deferralCode,
  ],
} as const;

/** What makes a request: none of it goes along with a poll, which cannot change it. */
const OF_THE_REQUEST = [
  'completion_mode',
  'client_notification_token',
  'resource',
  'audience',
  'scope',
  'authorization_details',
  'reason',
  'duration',
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
] as const;

/** Whether a client can wait: a list of modes, of which those that nobody knows are passed over. */
function asksToWait(form: FormFields): boolean {
  return (form.get('completion_mode') ?? '').split(' ').includes('deferred');
}

/** Elevations as clients ask for them, fetch what comes of them, and withdraw them. One for a process: it keeps the pace of polls. */
export function deferredTokenResponse(deps: RedeemDeps): Deferral {
  const pace = new PollPace();
  return {
    grantType: DEFERRED_GRANT_TYPE,
    hint: 'a person can countersign it: repeat the request with completion_mode=deferred, a reason, and a duration in seconds',
    async defer(request, origin) {
      const { authenticated, agent, form, proof, decision, delegationId } = request;
      if (!asksToWait(form) || decision.approver === undefined) return undefined;
      // Nobody would be shown them.
      if (form.get('authorization_details') !== undefined) {
        return {
          outcome: 'refuse',
          reason: 'authorization-details-not-supported',
          detail: { parameter: 'authorization_details' },
        };
      }
      const outcome = await askElevation(
        deps,
        {
          clientId: authenticated.client.clientId,
          agent,
          decision,
          delegationId: asDelegationId(delegationId),
          proofKey: proof?.jkt,
          reason: form.get('reason'),
          duration: form.get('duration'),
          spent: spentBy(authenticated, { proof }),
        },
        origin,
      );
      if (outcome.outcome !== 'deferred') return outcome;
      throw new Refused<DeferralRefusal>('elevation-deferred', {}, { members: membersOf(outcome) });
    },
    codeOf(form) {
      const parameter = OF_THE_REQUEST.find(name => form.get(name) !== undefined);
      if (parameter !== undefined) {
        throw new Refused<DeferralRefusal>('deferral-parameter-not-permitted', { parameter });
      }
      const code = form.get('deferral_code');
      if (code !== undefined) return code;
      throw new Refused<DeferralRefusal>('deferral-code-missing', { parameter: 'deferral_code' });
    },
    async poll(poll, origin) {
      const answer = await redeemElevation(deps, poll, origin);
      if (answer !== 'pending') return answer;
      // As in RFC 8628 section 3.5 it is an answer to whoever still waits: what is decided is told at once.
      const asked = pace.note(digestOfCode(poll.code), origin.now);
      if (asked === 'in-time') return answer;
      throw new Refused<DeferralRefusal>(`elevation-polled-${asked}`);
    },
    isCode: isDeferralCode,
    async cancel({ authenticated, code, proof }, origin) {
      await spend(deps, { authenticated, code, proof }, origin);
      const { clientId } = authenticated.client;
      const outcome = await cancelElevation(deps, { clientId, code, proofKey: proof?.jkt }, origin);
      if (outcome === 'key-differs') throw new Refused('elevation-key-differs');
    },
  };
}

/** The basis of an exchange names it by a plain string. */
function asDelegationId(id: DeferrableRequest['delegationId']): `dlg_${string}` | undefined {
  return id as `dlg_${string}` | undefined;
}

function membersOf({ code, expiresIn, elevation }: Deferred): Readonly<Record<string, string | number>> {
  return {
    deferral_code: code,
    expires_in: expiresIn,
    interval: POLL_INTERVAL_SECONDS,
    binding_code: elevation.bindingCode,
  };
}
