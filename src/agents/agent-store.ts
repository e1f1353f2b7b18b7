import type { CommitPort, RecordChange } from '../audit/index.ts';
import type { Page, PageRequest } from '../input/index.ts';
import type { Agent } from './agent.ts';

export type AgentChange = RecordChange<'agent', Agent>;

export interface AgentStore extends CommitPort<AgentChange> {
  findAgent(id: string): Promise<Agent | undefined>;
  listAgents(page: PageRequest): Promise<Page<Agent>>;
  /** Templates, which admit applications that describe themselves; oldest first, and the same object until an agent changes. */
  listTemplates(): Promise<readonly Agent[]>;
  /** Notes that an agent has authenticated. Lossy: written now and then, never before an answer, never audited. */
  noteUse(id: string, atMs: number): void;
  /** When an agent last authenticated, to the minute, in milliseconds since the epoch. */
  findLastUse(id: string): Promise<number | undefined>;
}
