import { escapeHtml } from '../text/index.ts';

/** A page that says one thing, for people, with nothing that a page of another site could use. */
export interface Notice {
  readonly title: string;
  readonly text: string;
  /** The reference by which the cause is found again. */
  readonly reference: string;
  /** Where it is said how to mend it. */
  readonly page: string;
}

/** Headers of every page that the engine's routes show. */
export const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
} as const;

export function renderNotice({ title, text, reference, page }: Notice): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} · Countersign</title>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(text)}</p>
<p><a href="${escapeHtml(page)}">What it means, and how to mend it</a></p>
<p><small>Reference: ${escapeHtml(reference)}</small></p>
</main>
</body>
</html>
`;
}
