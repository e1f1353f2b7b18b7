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
export { renderConfigurationPage, renderEnvExample } from './describe.ts';
export { localIssuer } from './issuer.ts';
export { parseKeyEncryptionKey } from './key-encryption-key.ts';
export { type Config, ConfigError, loadConfig } from './load.ts';
export type { StoreLocation } from './store-location.ts';
