import { listOAuthErrors } from './oauth-error.ts';
import { listProblems } from './problem.ts';

/** docs/errors.md: every error that a caller can meet, by its name outside, made from the tables that answer. */
export function renderErrorsPage(): string {
  const oauth = Map.groupBy(listOAuthErrors(), ([, { error }]) => error);
  const sections = [...oauth].map(([error, entries]) => {
    const rows = [...new Set(entries.map(([, { status, description }]) => `| ${status} | ${description} |`))];
    return [`### ${error}`, '', '| status | what it says |', '|---|---|', ...rows].join('\n');
  });
  const problems = new Map(
    listProblems().map(([reason, { code, status, title }]) => [
      code ?? reason,
      `| \`${code ?? reason}\` | ${status} | ${title} |`,
    ]),
  );
  return `# Errors

Every refusal carries its reference in the \`Error-Ref\` header: the audit trail and the log have the exact reason under it. The answer itself says the cause, the value sent where it is no
secret, and what is permitted; reasons that must look alike to a caller are answered with the same bytes.

## OAuth endpoints

\`/token\`, \`/introspect\` and \`/revoke\` answer as RFC 6749 section 5.2 says: \`error\`, \`error_description\`, \`error_uri\`.

${sections.join('\n\n')}

## Admin API

\`/api/v1\` answers with \`application/problem+json\` (RFC 9457); the last part of \`type\` is the name below.

| name | status | what it says |
|---|---|---|
${[...problems.values()].join('\n')}

This page is made from \`src/http/oauth-error.ts\` and \`src/http/problem.ts\` by \`npm run docs\`.
`;
}
