import type { RefusalDetail } from '../errors.ts';

/** RFC 6749 section 5.1. */
export interface TokenResponse {
  readonly access_token: string;
  /** RFC 8693 section 2.2.1. */
  readonly issued_token_type?: string;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly expires_in: number;
  readonly scope: string;
}

/** Why a request comes to nothing, by what was sent. */
export interface BasisRefused<Reason extends string> {
  readonly outcome: 'refuse';
  readonly reason: Reason;
  readonly detail: RefusalDetail;
}
