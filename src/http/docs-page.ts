import { hash } from 'node:crypto';
import { Marked, type Tokens } from 'marked';
import { escapeHtml } from '../text/index.ts';

/** A page of the documentation, in Markdown. */
export interface DocsSource {
  /** Its path below the documentation, without `.md`. */
  readonly name: string;
  readonly markdown: string;
}

export interface DocsPage {
  readonly name: string;
  readonly title: string;
  readonly html: string;
}

const STYLE = `
:root { color-scheme: light dark; --line: #c9ced6; --soft: #f3f5f8; --text: #1b1f24; --link: #0b57b0; --mark: #fff3c4; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #434b57; --soft: #20262e; --text: #e7eaee; --link: #8ab8ff; --mark: #4a3f10; --page: #14181d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
header { border-bottom: 1px solid var(--line); }
a { color: var(--link); }
a:focus-visible, pre:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
h1, h2, h3 { line-height: 1.25; scroll-margin-top: 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3:target, h2:target { background: var(--mark); }
code { font-family: ui-monospace, monospace; font-size: .9em; background: var(--soft); padding: .1em .25em; border-radius: .2em; }
pre { background: var(--soft); padding: .75rem; border-radius: .4em; overflow-x: auto; overflow-wrap: normal; }
pre code { background: none; padding: 0; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { border: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
th { background: var(--soft); }
@media (max-width: 45rem) {
  table, tbody, tr, td { display: block; }
  thead { position: absolute; left: -100rem; }
  tr { border: 1px solid var(--line); margin-bottom: .75rem; }
  td { border: 0; border-top: 1px solid var(--line); }
  td:first-child { border-top: 0; }
  td[data-label]::before { content: attr(data-label); display: block; font-size: .85em; font-weight: 600; }
}
`;

/** Headers of every page: nothing is loaded, run or sent, and the one style is known by its digest. */
export const DOCS_HEADERS = {
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
} as const;

/**
 * Renders pages of Markdown. What looks like HTML in them stays text, and links lead to pages that there are, to anchors, and to
 * https, or nowhere.
 *
 * @param base the path of the documentation
 */
export function renderDocs(sources: readonly DocsSource[], base: string): readonly DocsPage[] {
  const names = new Set(sources.map(({ name }) => name));
  return sources.map(({ name, markdown }) => {
    const marked = rendererFor(href => resolveLink(href, name, names, base));
    const title = /^# (.+)$/m.exec(markdown)?.[1] ?? name;
    return { name, title, html: wrap(title, marked.parse(markdown, { async: false }), base) };
  });
}

/**
 * The page that lists the others.
 *
 * @param byRole the same list as its readers need it, in Markdown, with a title of its own
 */
export function renderIndex(
  pages: readonly DocsPage[],
  byRole: string,
  version: string,
  base: string,
): string {
  const names = new Set(pages.map(({ name }) => name));
  const marked = rendererFor(href => resolveLink(href, '', names, base));
  const item = ({ name, title }: DocsPage) =>
    `<li><a href="${escapeHtml(`${base}/${name}`)}">${escapeHtml(title)}</a></li>`;
  const isDecision = ({ name }: DocsPage) => name.includes('/');
  const list = (of: readonly DocsPage[]) => `<ul>\n${of.map(item).join('\n')}\n</ul>`;
  return wrap(
    'Documentation',
    `${marked.parse(byRole, { async: false })}<p>Of Countersign ${escapeHtml(version)}, as this server runs it. The <a href="${escapeHtml(base.replace(/docs$/, 'openapi.json'))}">admin API</a> is described as OpenAPI.</p>
<h2 id="pages">Every page</h2>
${list(pages.filter(page => !isDecision(page)))}
<h2 id="decisions">Decisions</h2>
${list(pages.filter(isDecision))}
`,
    base,
  );
}

function wrap(title: string, content: string, base: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Countersign</title>
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header><nav aria-label="Documentation"><a href="${escapeHtml(base)}">Countersign documentation</a></nav></header>
<main id="content">
${content}</main>
</body>
</html>
`;
}

function rendererFor(resolve: (href: string) => string | undefined): Marked {
  const marked = new Marked({ gfm: true });
  let hasTitle = false;
  marked.use({
    renderer: {
      html: ({ text }) => escapeHtml(text),
      image: ({ text }) => escapeHtml(text),
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const target = resolve(href);
        return target === undefined ? text : `<a href="${escapeHtml(target)}">${text}</a>`;
      },
      heading({ tokens, depth: written, text }) {
        const content = this.parser.parseInline(tokens);
        // A page has one title; what else is written as one is a part of it.
        const depth = written === 1 && hasTitle ? 2 : written;
        hasTitle = true;
        return `<h${depth} id="${anchorOf(text)}">${content}</h${depth}>\n`;
      },
      // A region that scrolls sideways has to be reached with the keyboard.
      code: ({ text }) => `<pre tabindex="0"><code>${escapeHtml(text)}\n</code></pre>\n`,
      checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
      table({ header, rows }) {
        const cells = (row: readonly Tokens.TableCell[]) =>
          row.map((cell, index) => this.tablecell(labelled(cell, header[index]))).join('');
        const head = header
          .map(({ tokens }) => `<th role="columnheader" scope="col">${this.parser.parseInline(tokens)}</th>`)
          .join('');
        const body = rows.map(row => `<tr role="row">${cells(row)}</tr>`).join('\n');
        // On a narrow screen rows become blocks, with which browsers forget that it is a table: the roles say it again.
        return `<table role="table">\n<thead role="rowgroup"><tr role="row">${head}</tr></thead>\n<tbody role="rowgroup">\n${body}\n</tbody>\n</table>\n`;
      },
      tablecell(cell) {
        const { label } = cell as LabelledCell;
        const attribute = label === undefined || label === '' ? '' : ` data-label="${escapeHtml(label)}"`;
        return `<td role="cell"${attribute}>${this.parser.parseInline(cell.tokens)}</td>`;
      },
    },
  });
  return marked;
}

interface LabelledCell extends Tokens.TableCell {
  readonly label?: string;
}

function labelled(cell: Tokens.TableCell, header: Tokens.TableCell | undefined): LabelledCell {
  return { ...cell, label: header?.text.replaceAll('`', '') ?? '' };
}

/** The anchor of a heading, as it is on GitHub: `invalid_scope` and `key-unknown` stay what they are. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** @returns undefined for a link that leads nowhere from here, such as one to a file of the repository */
function resolveLink(
  href: string,
  from: string,
  names: ReadonlySet<string>,
  base: string,
): string | undefined {
  if (href.startsWith('#')) return href;
  const home = 'https://docs.invalid';
  if (!URL.canParse(href, `${home}/${from}`)) return undefined;
  const url = new URL(href, `${home}/${from}`);
  if (url.origin !== home) return url.protocol === 'https:' ? url.href : undefined;
  const name = url.pathname.slice(1).replace(/\.md$/, '');
  return names.has(name) ? `${base}/${name}${url.hash}` : undefined;
}
