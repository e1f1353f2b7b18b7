import { join } from 'node:path';

/** Where the first start keeps a key-encryption key that nobody gave. */
export function keyEncryptionKeyFile(dataDirectory: string): string {
  return join(dataDirectory, 'key-encryption-key');
}

/** Where the first start writes the bootstrap client that nobody gave. */
export function bootstrapClientFile(dataDirectory: string): string {
  return join(dataDirectory, 'bootstrap-client.json');
}

/** Where the link is by which the first administrator enrols. */
export function firstAdministratorFile(dataDirectory: string): string {
  return join(dataDirectory, 'first-administrator-link');
}
