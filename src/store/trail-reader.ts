import type { AuditStore } from '../audit/index.ts';

/** The trail in a store, to be read by whoever is no process of the deployment: it has no lane, and changes nothing. */
export interface TrailReader extends Pick<AuditStore, 'listLanes' | 'readLane' | 'readCuts' | 'readNewest'> {
  /** In words: which database, where. Never with credentials. */
  readonly description: string;
  close(): Promise<void>;
}
