import { type Agent, type AgentStore, agentStatus } from '../agents/index.ts';
import {
  type AuditEvent,
  type AuthorisedOrigin,
  assertAuthorityHeld,
  eventOrigin,
  type Origin,
} from '../audit/index.ts';
import type { Egress } from '../egress/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import type { KnownApplication, SelfDescription } from './application.ts';
import { isMetadataUrl } from './metadata-document.ts';
import { PublishedDocuments } from './published-documents.ts';
import { type DescriptionStore, findDescription, keepDescription } from './remembered.ts';
import { isSelfRegisteredId } from './self-registered-id.ts';

export interface ApplicationsDeps {
  readonly agents: Pick<AgentStore, 'findAgent' | 'listTemplates'>;
  readonly descriptions: DescriptionStore;
  readonly egress: Pick<Egress, 'fetchDocument'>;
  /** Takes the record of a refusal; alike ones are counted. */
  readonly refusals: { note(event: AuditEvent): Promise<void> };
}

/** How an application is looked for. */
export interface Lookup {
  readonly origin: Origin;
  /** Whether its document may be fetched now: only where a browser has brought it, never where a machine names a client. */
  readonly mayFetch: boolean;
}

/** As long as a grant lives at most, and a day. */
const KEPT_MS = 31 * 86_400_000;

/** How applications may make themselves known now. */
export interface AdmittedFeatures {
  readonly metadataDocuments: boolean;
  readonly selfRegistration: boolean;
}

/** Finds applications, wherever they are described: in a record, in a document of theirs, or by what they registered. */
export class Applications {
  readonly #deps: ApplicationsDeps;
  readonly #documents: PublishedDocuments;
  #features: AdmittedFeatures = { metadataDocuments: false, selfRegistration: false };

  constructor(deps: ApplicationsDeps) {
    this.#deps = deps;
    this.#documents = new PublishedDocuments(deps.egress);
  }

  /** An application that may act now; undefined for any other: the trail has the reason where a document was at fault. */
  async find(clientId: string, lookup: Lookup): Promise<KnownApplication | undefined> {
    const { latest } = lookup.origin;
    const record = await this.governing(clientId, latest);
    if (!record?.application) return undefined;
    if (record.id === clientId) {
      const { name, credential, application } = record;
      const { redirectUris } = application;
      return { clientId, name, record, redirectUris, credential, identity: 'registered' };
    }
    const isPublished = isMetadataUrl(clientId);
    const description =
      isPublished && lookup.mayFetch
        ? await this.#fetch(clientId, lookup.origin)
        : await findDescription(this.#deps.descriptions, clientId, latest);
    return description && { ...description, record, identity: isPublished ? 'published' : 'self-registered' };
  }

  /**
   * The record that says what an application may: its own, or that of the template which admits it. Of several, the one that names the
   * host most exactly, and of these the oldest. Undefined where none does now.
   */
  async governing(clientId: string, now: number): Promise<Agent | undefined> {
    if (clientId.startsWith('agt_')) {
      const agent = await this.#deps.agents.findAgent(clientId);
      const isOne = agent?.application && agent.application.redirectUris.length > 0;
      return isOne && agentStatus(agent, now) === 'active' ? agent : undefined;
    }
    if (isSelfRegisteredId(clientId)) return (await this.#templates(now)).find(admitsSelfRegistered);
    if (!isMetadataUrl(clientId)) return undefined;
    const { hostname } = new URL(clientId);
    const candidates = await this.#templates(now);
    return patternsOf(hostname)
      .map(pattern => candidates.find(({ application }) => application?.metadataHosts?.includes(pattern)))
      .find(template => template !== undefined);
  }

  /** How applications may make themselves known now; as it was last known where the store cannot answer, since it is only told. */
  async features(now: number): Promise<AdmittedFeatures> {
    try {
      const templates = await this.#templates(now);
      this.#features = {
        metadataDocuments: templates.some(({ application }) => application?.metadataHosts !== undefined),
        selfRegistration: templates.some(admitsSelfRegistered),
      };
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
    return this.#features;
  }

  /**
   * Keeps what an application has said of itself for as long as a grant may last: from now on it is known at the token endpoint, in
   * every process, whatever becomes of its host.
   *
   * @throws {Refused<'authority-ended'>}
   */
  async remember(
    { clientId, name, redirectUris, credential, record }: KnownApplication,
    { authority, now }: AuthorisedOrigin,
  ): Promise<void> {
    if (clientId === record.id) return;
    const change = keepDescription({ clientId, name, redirectUris, credential }, now + KEPT_MS);
    assertAuthorityHeld(await this.#deps.descriptions.commit({ changes: [change], events: [], authority }));
  }

  async #templates(now: number): Promise<readonly Agent[]> {
    const templates = await this.#deps.agents.listTemplates();
    return templates.filter(template => agentStatus(template, now) === 'active');
  }

  async #fetch(clientId: string, origin: Origin): Promise<SelfDescription | undefined> {
    try {
      return { clientId, ...(await this.#documents.find(clientId, origin.now)) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await this.#deps.refusals.note({
        type: 'client.document-refused',
        outcome: 'refused',
        reason: error.reason,
        ...eventOrigin(origin),
        client: clientId,
      });
      return undefined;
    }
  }
}

function admitsSelfRegistered({ application }: Agent): boolean {
  return application?.selfRegistration === 'open';
}

/** How a template may name a host, the most exact first. */
function patternsOf(hostname: string): readonly string[] {
  const labels = hostname.split('.');
  const below = labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`);
  return [hostname, ...below, '*'];
}
