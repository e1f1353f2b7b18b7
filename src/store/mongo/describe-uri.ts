/** Where a database is, without credentials or options. */
export function describeUri(uri: string): string {
  const parts = /^mongodb(?:\+srv)?:\/\/(?:[^@/]*@)?([^/?]+)\/?([^?]*)/.exec(uri);
  return parts ? `${parts[1]}/${parts[2]}` : 'an unreadable address';
}
