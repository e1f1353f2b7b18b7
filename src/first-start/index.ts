/**
 * What a start makes that nobody gave it: the key-encryption key and the credentials of the first client, each in a file
 * (`secret-files.ts`), and what must be in the store before the first request (`prepare.ts`). Every start comes by here, and makes
 * only what is missing.
 *
 * Not here: what the configuration says (`config/`), and whether the store is the one that it was (`recovery/`).
 */
export { onceItCanTell } from './once-it-can-tell.ts';
export { endFirstStart, prepareFirstStart } from './prepare.ts';
export { closePrivateFiles } from './private-files.ts';
export {
  type BootstrapClient,
  type FirstStartStore,
  openKeyEncryptionKey,
  writeNewClientFile,
  writePrivateFile,
} from './secret-files.ts';
