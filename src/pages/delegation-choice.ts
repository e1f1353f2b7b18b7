import type { FormFields } from '../oauth.ts';

/** Until when, as a person chooses it. */
export const UNTIL = ['today', '1d', '7d', '30d', 'date'] as const;
export type Until = (typeof UNTIL)[number];

/** What a person is about to give: what a link proposes, or a form has. Nothing of it is checked. */
export interface DelegationChoice {
  readonly agentId: string;
  readonly resource?: string | undefined;
  readonly scopes: readonly string[];
  readonly until?: Until | undefined;
  /** A day, where they name one. */
  readonly date?: string | undefined;
}

export const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const DATE = /^\d{4}-\d\d-\d\d$/;
const DAYS = { '1d': 1, '7d': 7, '30d': 30 } as const;

/** The choice that an address or a form carries. */
export function readChoice(get: (name: string) => string | undefined): DelegationChoice {
  return {
    agentId: get('agent') ?? '',
    resource: get('resource'),
    scopes: (get('scope') ?? '').split(' ').filter(scope => scope !== ''),
    until: UNTIL.find(each => each === get('until')),
    date: get('date'),
  };
}

/** A choice from the page where each scope has a box of its own. @param scopes that it may have */
export function readBoxes(form: FormFields, scopes: readonly string[]): DelegationChoice {
  return { ...readChoice(form.get), scopes: scopes.filter(scope => form.get(boxOf(scope)) !== undefined) };
}

export function boxOf(scope: string): string {
  return `scope:${scope}`;
}

/** The members of an address, or the hidden fields of a form, that carry a choice on. */
export function choiceFields({
  agentId,
  resource,
  scopes,
  until,
  date,
}: DelegationChoice): Readonly<Record<string, string>> {
  return {
    agent: agentId,
    ...(resource !== undefined && { resource }),
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    ...(until !== undefined && { until }),
    ...(date !== undefined && { date }),
  };
}

/** Where a choice is made, or made anew. */
export function choiceAddress(choice: DelegationChoice): string {
  return `/me/delegations/new?${new URLSearchParams(choiceFields(choice))}`;
}

/** The last minute of a day, in UTC: a day that somebody names is one on which it still holds. */
export function endOfDay(atMs: number): number {
  return Math.floor(atMs / DAY_MS) * DAY_MS + DAY_MS - MINUTE_MS;
}

/**
 * When what was chosen ends: at a whole minute, since that is what is shown of it.
 *
 * @param nowMs milliseconds since the epoch
 * @returns undefined where nothing was chosen, or no day that there is, or both a span and a day
 */
export function endOfChoice({ until, date }: DelegationChoice, nowMs: number): number | undefined {
  if (until === 'date') {
    const at = DATE.test(date ?? '') ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
    // There is no 30 February, though one can be parsed.
    return Number.isNaN(at) || dayOf(at) !== date ? undefined : endOfDay(at);
  }
  if (until === undefined || date !== undefined) return undefined;
  if (until === 'today') return endOfDay(nowMs);
  return Math.floor(nowMs / MINUTE_MS) * MINUTE_MS + DAYS[until] * DAY_MS;
}

/** A day as an input of type `date` has it, in UTC. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

const AGENT_ID = /^agt_[0-9a-f]{32}$/;

/**
 * Whom a person means, by an identifier or by a link to the page that somebody sent them.
 *
 * @param text as it was typed or pasted
 * @param page the address of the page: a link to another server is none
 */
export function readAgentText(text: string, page: URL): DelegationChoice | undefined {
  const trimmed = text.trim();
  if (AGENT_ID.test(trimmed)) return { agentId: trimmed, scopes: [] };
  if (!URL.canParse(trimmed)) return undefined;
  const { origin, pathname, searchParams } = new URL(trimmed);
  if (origin !== page.origin || pathname !== page.pathname) return undefined;
  const choice = readChoice(name => searchParams.get(name) ?? undefined);
  return AGENT_ID.test(choice.agentId) ? choice : undefined;
}
