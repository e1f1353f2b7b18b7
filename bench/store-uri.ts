/** What `--store` takes. */
import { parseStoreLocation } from '../src/config/store-location.ts';
import { Unfit } from '../src/config/unfit.ts';

/** Asks for a MongoDB to be started. */
export const OWN_MONGODB = 'mongodb';
const PERMITTED = `mongodb://HOST:PORT/?replicaSet=NAME or mongodb+srv://HOST, or '${OWN_MONGODB}' alone, and one is started`;

/**
 * Reads where the MongoDB is.
 *
 * @returns the URI, or `OWN_MONGODB`
 * @throws {TypeError} when the server would not take it, with what is permitted; it shows nothing of the URI, which may hold a password
 */
export function readStore(sent: string): string {
  if (sent === OWN_MONGODB) return sent;
  try {
    if (!/^mongodb(\+srv)?:\/\//.test(sent)) throw new Unfit('it is no MongoDB');
    parseStoreLocation(inDatabase(sent, 'bench'));
    return sent;
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    throw new TypeError(`--store: ${error.message}; permitted: ${PERMITTED}`);
  }
}

/** Another database of the same deployment. A user is looked up where the URI has it: in the database it names, unless it says otherwise. */
export function inDatabase(uri: string, database: string): string {
  const [, hosts = uri, named = '', query = ''] =
    /^([^/]+:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(uri) ?? [];
  const options = query === '' ? [] : [query];
  if (hosts.includes('@') && !/(?:^|&)authSource=/i.test(query)) {
    options.push(`authSource=${named || 'admin'}`);
  }
  return `${hosts}/${database}${options.length > 0 ? `?${options.join('&')}` : ''}`;
}
