import type { AdminClient } from '../client/index.ts';
import type { RecordDocument } from './document.ts';
import { KINDS, type KindName } from './record-key.ts';

/** A record as the admin API shows it, as far as every kind has it. */
export interface ServerRecord {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly version: number;
  readonly updatedAt: string;
  readonly [field: string]: unknown;
}

/** What is there, each kind by identifier. */
export type Fleet = Readonly<Record<KindName, ReadonlyMap<string, ServerRecord>>>;

const PAGE = 200;

/** The calls of each kind. */
export interface KindCalls {
  list(): AsyncIterable<ServerRecord>;
  get(id: string): Promise<ServerRecord>;
  /** @returns the secret of a new record, where it has one */
  create(body: object): Promise<{ readonly secret?: string | undefined }>;
  update(id: string, version: number, body: object): Promise<unknown>;
  /** Ends everything that rests on it at once, and can be taken back. */
  kill(id: string, version: number): Promise<unknown>;
}

/** What is sent has been checked with the schema of the call. */
type Body = never;

export function callsOf(client: AdminClient): Readonly<Record<KindName, KindCalls>> {
  return {
    Person: {
      list: () => client.listPeople({ limit: PAGE }),
      get: id => client.getPerson({ id }),
      create: async body => {
        await client.createPerson({ body: body as Body });
        return {};
      },
      update: (id, version, body) => client.updatePerson({ id, version, body: body as Body }),
      kill: (id, version) => client.killPerson({ id, version }),
    },
    Resource: {
      list: () => client.listResources({ limit: PAGE }),
      get: id => client.getResource({ id }),
      create: body => client.createResource({ body: body as Body }),
      update: (id, version, body) => client.updateResource({ id, version, body: body as Body }),
      kill: (id, version) => client.killResource({ id, version }),
    },
    Agent: {
      list: () => client.listAgents({ limit: PAGE }),
      get: id => client.getAgent({ id }),
      create: body => client.createAgent({ body: body as Body }),
      update: (id, version, body) => client.updateAgent({ id, version, body: body as Body }),
      kill: (id, version) => client.killAgent({ id, version }),
    },
  };
}

/** Reads every record of every kind. */
export async function readFleet(client: AdminClient): Promise<Fleet> {
  const calls = callsOf(client);
  const read = await Promise.all(
    KINDS.map(async kind => {
      const records = new Map<string, ServerRecord>();
      for await (const record of calls[kind].list()) {
        // What people made by letting an application act for them is theirs, and in no file.
        if (!('applicationId' in record)) records.set(record.id, record);
      }
      return [kind, records] as const;
    }),
  );
  return Object.fromEntries(read) as unknown as Fleet;
}

/** The record that a document describes, as it is there. */
export function recordOf(
  fleet: Fleet,
  { kind, id }: Pick<RecordDocument, 'kind' | 'id'>,
): ServerRecord | undefined {
  return fleet[kind].get(id);
}
