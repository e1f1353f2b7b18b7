import { quote } from './quote.ts';

/**
 * Switches of Node.js itself that would undo what this server promises.
 *
 * @returns a problem a line
 */
export function runtimeProblems(env: NodeJS.ProcessEnv): string[] {
  const problems: string[] = [];
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    problems.push(
      'NODE_TLS_REJECT_UNAUTHORIZED: "0" is not permitted: anybody could play the servers that are called; permitted: leaving the variable out (NODE_EXTRA_CA_CERTS adds an authority of your own)',
    );
  }
  const unsafe = /--insecure-http-parser|--tls-min-v1\.[01]\b/.exec(env['NODE_OPTIONS'] ?? '');
  if (unsafe !== null) {
    problems.push(
      `NODE_OPTIONS: ${quote(unsafe[0])} is not permitted: it weakens HTTP or TLS for the whole process; permitted: NODE_OPTIONS without it`,
    );
  }
  return problems;
}
