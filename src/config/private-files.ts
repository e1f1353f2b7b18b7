import type { Config } from './load.ts';

/** The files that make whoever reads them the server, or whoever writes them its administrator, as far as the server makes them itself. */
export function privateFilesOf(
  config: Pick<
    Config,
    | 'bootstrapClient'
    | 'bootstrapClientFile'
    | 'firstAdministratorFile'
    | 'keyEncryptionKey'
    | 'keyEncryptionKeyFile'
    | 'store'
  >,
): readonly string[] {
  const { store } = config;
  return [
    ...(config.keyEncryptionKey ? [] : [config.keyEncryptionKeyFile]),
    ...(config.bootstrapClient ? [] : [config.bootstrapClientFile]),
    config.firstAdministratorFile,
    ...(store.kind === 'sqlite' ? ['', '-wal', '-shm'].map(suffix => store.path + suffix) : []),
  ];
}
