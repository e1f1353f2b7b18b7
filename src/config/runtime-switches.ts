import { quote } from './quote.ts';

/**
 * Of each line of Node.js the first version that refuses a request with too many headers (CVE-2026-58044). Before, it left out those
 * beyond the limit, and the one that says who calls may be among them. The launcher has the same numbers.
 */
export const FIT_NODE: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
  24: [18, 1],
  26: [5, 1],
};
const NEWEST_LINE = 26;

/**
 * What of Node.js itself would undo what this server promises: its switches, and versions of it.
 *
 * @returns a problem a line
 */
export function runtimeProblems(env: NodeJS.ProcessEnv, version: string = process.versions.node): string[] {
  const problems: string[] = [];
  if (!isFit(version)) {
    problems.push(
      `Node.js: ${version} is not permitted: it leaves out headers beyond a limit instead of refusing the request; permitted: 24.18.1, 26.5.1 or newer`,
    );
  }
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

function isFit(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const first = FIT_NODE[major];
  if (!first) return major > NEWEST_LINE;
  return minor > first[0] || (minor === first[0] && patch >= first[1]);
}
