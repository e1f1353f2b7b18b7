/**
 * Variables of the command line, by which an administrator is signed in. The server has no use for them, and does not mind that
 * they are there: both may run in one shell.
 */
export const COMMAND_LINE_NAMES = {
  url: 'COUNTERSIGN_URL',
  clientId: 'COUNTERSIGN_CLIENT_ID',
  clientSecret: 'COUNTERSIGN_CLIENT_SECRET',
  clientSecretFile: 'COUNTERSIGN_CLIENT_SECRET_FILE',
  profile: 'COUNTERSIGN_PROFILE',
} as const;
