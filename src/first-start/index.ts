/**
 * What a start makes that nobody gave it: the key-encryption key and the credentials of the first client, each in a file.
 *
 * Not here: what the configuration says (`config/`), and what a start that goes on looks at (`recovery/`).
 */
export {
  type BootstrapClient,
  type FirstStartStore,
  openKeyEncryptionKey,
  readBootstrapClient,
  writeNewClientFile,
  writePrivateFile,
} from './secret-files.ts';
