import { ERROR_CATALOGUE } from './error-catalogue.ts';

/**
 * `docs/errors.md`, which the server shows at `/docs/errors`: every error that a caller can meet, by its name outside, what it
 * means and how to mend it, made from the tables that answer. Each has a heading of its own, for `error_uri` and `type` to lead
 * to.
 */
export function renderErrorsPage(): string {
  const oauth = rowsByName(reason => reason.startsWith('oauth/') || reason.startsWith('engine/'));
  const problems = rowsByName(reason => reason.startsWith('api/'));
  const pages = rowsByName(reason => reason.startsWith('page/'));
  return `# Errors

Every error answer names its cause, what was sent where that is no secret, what is permitted, and this page. Reasons that must look
alike to a caller are answered with the same bytes.

Every error answer has an \`Error-Ref\` header, but one: \`authorization_pending\` in answer to a poll, with which nothing was refused.
Whoever administers the server finds the exact reason by it, with \`countersign errors REF\` or \`GET /api/v1/errors/REF\`: for at least
seven days, and for as long as the server has the key-encryption key that it was made with. Send the reference when you ask for help; it
holds no secret.

## OAuth endpoints

They answer with \`error\`, \`error_description\` and \`error_uri\` (RFC 6749 section 5.2).

${sections(oauth)}

## Admin API

\`/api/v1\` answers with \`application/problem+json\` (RFC 9457); the last part of \`type\` is the name below. So does whatever belongs to no
endpoint.

${sections(problems)}

## Pages

What people see says the same in their language, with the reference.

${sections(pages)}

This page is made from the tables in \`src/http/\` by \`npm run docs\`.
`;
}

function rowsByName(isMeant: (reason: string) => boolean): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  for (const [reason, { name, status, meaning, fix }] of ERROR_CATALOGUE) {
    if (!isMeant(reason)) continue;
    const rows = names.get(name) ?? new Set();
    names.set(name, rows.add(`| ${status} | ${meaning} | ${fix} |`));
  }
  return names;
}

function sections(names: ReadonlyMap<string, ReadonlySet<string>>): string {
  return [...names]
    .map(([name, rows]) =>
      [`### ${name}`, '', '| status | what it means | how to mend it |', '|---|---|---|', ...rows].join('\n'),
    )
    .join('\n\n');
}
