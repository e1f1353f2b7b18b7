import { type Background, recur } from '../background.ts';
import { readTlsPair, type TlsPair } from '../config/index.ts';

/** How soon a renewed pair is noticed that nobody has announced. */
const LOOK_EVERY_MS = 60_000;

export interface TlsRenewal extends Background {
  /** The pair that is in use. */
  readonly pair: TlsPair;
  /** Looks now. */
  renew(): void;
}

/**
 * Keeps a TLS pair as new as its files, without a restart. Files are read and compared: what tells of changes does not do so for
 * the links that Kubernetes and certbot replace.
 *
 * @param use has new connections use a pair
 * @param onError told of a pair that cannot be used: the old one stays in use
 */
export function keepTlsRenewed(
  first: TlsPair,
  use: (pair: TlsPair) => void,
  onError: (error: unknown) => void,
): TlsRenewal {
  let pair = first;
  const renew = (): void => {
    try {
      const found = readTlsPair(pair);
      if (found.certificate === pair.certificate && found.privateKey.reveal() === pair.privateKey.reveal())
        return;
      use(found);
      pair = found;
    } catch (error) {
      onError(error);
    }
  };
  const background = recur(async () => renew(), LOOK_EVERY_MS, onError);
  return {
    get pair() {
      return pair;
    },
    renew,
    stop: () => background.stop(),
  };
}
