import type { ApplicationRefusal } from '../agents/index.ts';
import type { ClockRefusal } from '../audit/index.ts';
import type { DelegationRefusal } from '../delegation/index.ts';
import type { DecideRefusal } from '../elevation/index.ts';
import type {
  EnrolmentRefusal,
  FactorRefusal,
  PasskeyRefusal,
  PasswordRefusal,
  SessionRefusal,
  SignInRefusal,
  SlowHashRefusal,
} from '../people/index.ts';

/**
 * - `form-foreign`: the form came from a page of another site
 * - `form-stale`: the form was rendered for somebody else, for another action, or for a session that has ended
 * - `field-invalid`: a field has not what is asked for
 * - `not-found`: no such page, or nothing of one's own at it
 */
export type FormRefusal = 'form-foreign' | 'form-stale' | 'field-invalid' | 'not-found';

export type PageRefusal =
  | FormRefusal
  | SignInRefusal
  | SlowHashRefusal
  | FactorRefusal
  | SessionRefusal
  | EnrolmentRefusal
  | PasswordRefusal
  | PasskeyRefusal
  | ApplicationRefusal
  | Exclude<DelegationRefusal, 'delegation-unknown'>
  | Exclude<DecideRefusal, 'elevation-unknown' | 'elevation-not-yours'>
  | ClockRefusal
  | 'unavailable'
  | 'internal';

interface PageProblem {
  readonly status: number;
  /** For `docs/errors.md`; what the person reads is in their language, in `pages/`. */
  readonly meaning: string;
  readonly fix: string;
}

/** What a page that refuses answers with. Unknown, wrong and locked have one text each: nobody is told which (I15). */
export const PAGE_REFUSALS: Readonly<Record<PageRefusal, PageProblem>> = {
  'form-foreign': {
    status: 403,
    meaning: 'A form came from a page of another site',
    fix: 'Send it from the page itself. A proxy in front has to pass Origin and Sec-Fetch-Site on.',
  },
  'form-stale': {
    status: 403,
    meaning: 'A form belongs to a session that has ended, or to another action',
    fix: 'Open the page again, and send it from there.',
  },
  'field-invalid': {
    status: 400,
    meaning: 'A field of a form has not what is asked for',
    fix: 'The page says which one, and what is permitted.',
  },
  'not-found': {
    status: 404,
    meaning: 'There is no such page, or nothing of one’s own at it',
    fix: 'Follow the links of the pages.',
  },
  'sign-in-refused': {
    status: 401,
    meaning: 'Address and password do not go together, or the person cannot sign in',
    fix: 'The audit trail has the exact reason as person.sign-in-refused.',
  },
  'sign-in-limited': {
    status: 429,
    meaning: 'Too many tries with this address, or from where they come',
    fix: 'Wait a quarter of an hour.',
  },
  'sign-in-busy': {
    status: 503,
    meaning: 'More people sign in at once than passwords can be checked for',
    fix: 'Try again in some seconds. If it lasts, look for who tries passwords.',
  },
  'sign-in-expired': {
    status: 401,
    meaning: 'A sign-in was begun and not ended within ten minutes',
    fix: 'Sign in again.',
  },
  'factor-refused': {
    status: 401,
    meaning: 'A second factor was wrong, was used already, or none is accepted for a while',
    fix: 'Wait for the next code. The audit trail has the exact reason as person.factor-refused.',
  },
  'session-required': { status: 401, meaning: 'Nobody is signed in', fix: 'Sign in.' },
  'step-up-required': {
    status: 403,
    meaning: 'The second factor was proved too long ago for this',
    fix: 'Confirm with a second factor, within five minutes before.',
  },
  'enrolment-link-invalid': {
    status: 404,
    meaning: 'An enrolment link is unknown, used, replaced by a later one or too old',
    fix: 'Ask for a new one: countersign people invite, or people reset-factor on the host.',
  },
  'enrolment-incomplete': {
    status: 409,
    meaning: 'A step of an enrolment was left out',
    fix: 'Open the link again: it goes on where it was.',
  },
  'enrolment-code-wrong': {
    status: 400,
    meaning: 'The code that confirms an authenticator app is not the one that it shows',
    fix: 'Wait for the next code. If none is accepted, check the clock of the phone and of the server.',
  },
  'enrolment-address-taken': {
    status: 409,
    meaning: 'Another person has the e-mail address',
    fix: 'Use another one, or have the other record changed first.',
  },
  'password-too-short': { status: 400, meaning: 'A password is too short', fix: 'Eight characters or more.' },
  'password-too-long': { status: 400, meaning: 'A password is too long', fix: 'At most 256 characters.' },
  'password-common': {
    status: 400,
    meaning: 'A password is among those that attackers try first',
    fix: 'Choose another one; a few words in a row do well.',
  },
  'password-about-you': {
    status: 400,
    meaning: 'A password is little more than the person’s name, address or our name',
    fix: 'Choose another one; a few words in a row do well.',
  },
  'passkey-not-registered': {
    status: 400,
    meaning: 'The answer of an authenticator does not hold, or came too late',
    fix: 'Try again. Passkeys are bound to the issuer’s host name: open the pages under exactly that.',
  },
  'too-many-passkeys': {
    status: 409,
    meaning: 'A person has ten passkeys already',
    fix: 'Remove one first.',
  },
  'application-unknown': {
    status: 404,
    meaning: 'An application is not registered, or may not be used now',
    fix: 'Register it as an agent with redirect URIs, or restore it.',
  },
  'application-stopped': {
    status: 403,
    meaning: 'The person, or an administrator, has stopped the application for this person',
    fix: 'An administrator can restore the agent through which the person uses it.',
  },
  'delegation-ended': {
    status: 409,
    meaning: 'A delegation was ended, or replaced, while its person was about to give it again',
    fix: 'Look at the page again, and give it anew if that is what is wanted.',
  },
  'delegation-person-not-active': {
    status: 403,
    meaning: 'Whoever wants to let an agent act for them is disabled',
    fix: 'An administrator can restore the person.',
  },
  'delegation-agent-unknown': {
    status: 404,
    meaning: 'There is no agent with this identifier',
    fix: 'Ask whoever runs the agent for its identifier (agt_ and 32 hexadecimal digits), or for a link to the page.',
  },
  'delegation-agent-not-active': {
    status: 409,
    meaning: 'The agent is stopped, retired or at its end, and can act for nobody',
    fix: 'An administrator can restore one that is stopped.',
  },
  'delegation-agent-is-application': {
    status: 409,
    meaning: 'What people use in their browser is let act at its own consent page',
    fix: 'Start the application: it asks for what it needs.',
  },
  'delegation-next-agent-not-possible': {
    status: 409,
    meaning: 'The work cannot be handed on to one of the agents that are named',
    fix: 'Name other agents, which are active and work by themselves.',
  },
  'delegation-resource-unknown': {
    status: 404,
    meaning: 'There is no resource server with this identifier',
    fix: 'Choose one of those where the agent may be let act; the page lists them.',
  },
  'delegation-resource-disabled': {
    status: 409,
    meaning: 'The resource server is disabled',
    fix: 'Choose another one, or have an administrator restore it.',
  },
  'delegation-resource-not-possible': {
    status: 409,
    meaning: 'Nobody administers this server by a delegation',
    fix: 'Choose a resource server besides the admin API.',
  },
  'delegation-scope-unknown': {
    status: 400,
    meaning: 'The resource server has no such scope',
    fix: 'Choose among those that the page shows.',
  },
  'delegation-scope-beyond-envelope': {
    status: 409,
    meaning: 'The agent may never have one of the scopes that were chosen',
    fix: 'Choose among those that the page shows, or have an administrator widen the envelope of the agent.',
  },
  'delegation-scope-high-risk': {
    status: 409,
    meaning: 'One of the scopes is of high risk, for which no permission stands',
    fix: 'Leave it out: what is of high risk needs a countersignature each time.',
  },
  'delegation-end-not-possible': {
    status: 400,
    meaning: 'A delegation cannot last until then',
    fix: 'Choose an instant to come, 90 days ahead at most.',
  },
  'elevation-approved': {
    status: 409,
    meaning: 'The request has been countersigned already',
    fix: 'There is nothing to do. To take it back, end it at /approvals.',
  },
  'elevation-redeemed': {
    status: 409,
    meaning: 'The request has been countersigned, and the agent has its token',
    fix: 'There is nothing to do. To take it back, end it at /approvals.',
  },
  'elevation-denied': {
    status: 409,
    meaning: 'The request has been denied',
    fix: 'The agent can ask anew.',
  },
  'elevation-cancelled': {
    status: 409,
    meaning: 'The agent has withdrawn the request, or something that it rests on has ended',
    fix: 'The page says which. The agent can ask anew, where what it rests on is there.',
  },
  'elevation-expired': {
    status: 410,
    meaning: 'Nobody decided on the request within ten minutes',
    fix: 'The agent can ask anew.',
  },
  'elevation-revoked': {
    status: 409,
    meaning: 'What was countersigned has been taken back',
    fix: 'The agent can ask anew.',
  },
  'elevation-digest-differs': {
    status: 409,
    meaning:
      'What was shown is not what is there any more: a name, a scope, a delegation or a resource server has changed',
    fix: 'The request is cancelled, and nothing was countersigned. The agent can ask anew, and it is shown as it is then.',
  },
  'elevation-changed': {
    status: 409,
    meaning: 'The request changed in the moment in which it was countersigned',
    fix: 'Look at it again, and countersign it then.',
  },
  'clock-ahead': {
    status: 503,
    meaning:
      'The clock of the server was set back: nobody signs in, and nothing is approved, until it is right',
    fix: 'An operator has to set the clock of the machine right; /readyz says by how much it is behind.',
  },
  unavailable: {
    status: 503,
    meaning: 'The server cannot answer safely at the moment',
    fix: 'Try again in a second; /readyz says what is missing.',
  },
  internal: {
    status: 500,
    meaning: 'Something went wrong on our side',
    fix: 'The log has the cause, under the reference.',
  },
};
