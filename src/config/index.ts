/**
 * One schema, one loader, one frozen Config.
 *
 * `schema.ts` is the table of all settings. `loadConfig` takes the environment through it once, at the start, and either
 * returns a frozen `Config` or throws one `ConfigError` with everything that is wrong. Nothing else reads the environment;
 * capabilities get what they need as arguments from `compose.ts`. The table also writes `docs/configuration.md` and
 * `.env.example` (`npm run docs`).
 *
 * Not here: making the key-encryption key and the bootstrap client at the first start.
 */
export { parseBootstrapClientFile } from './bootstrap-client-file.ts';
export { COMMAND_LINE_NAMES } from './command-line-names.ts';
export { CONFIG_FILE_NAME, keyOf } from './config-file.ts';
export { renderConfigFile, renderConfigurationPage, renderEnvExample } from './describe.ts';
export { localIssuer, parseIssuer } from './issuer.ts';
export { parseKeyEncryptionKey } from './key-encryption-key.ts';
export { type Config, ConfigError, loadConfig, type TlsPair } from './load.ts';
export { privateFilesOf } from './private-files.ts';
export type { StoreLocation } from './store-location.ts';
export { certificateEndsAt, readTlsPair } from './tls-pair.ts';
