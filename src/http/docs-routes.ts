import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Router from '@koa/router';
import type { Context } from 'koa';
import { renderErrorsPage } from './describe-errors.ts';
import type { DocsSource } from './docs-page.ts';

export interface DocsDeps {
  readonly issuer: string;
  readonly version: string;
  /** Where the pages are; those that are shipped with this program where absent. */
  readonly directory?: string;
}

const MAX_AGE_SECONDS = 300;
/** Also what a path may ask for: a page is found in a list, never in the file system. */
const PAGE = /^(?:[a-z0-9-]+\/)?[a-z0-9-]+$/;

interface Page {
  readonly body: Buffer;
  readonly etag: string;
}

interface Docs {
  readonly headers: Readonly<Record<string, string>>;
  /** By name; the list of them has none. */
  readonly pages: ReadonlyMap<string, Page>;
}

/**
 * The documentation as pages (RFC 8414 section 2, `service_documentation`), where `error_uri` and `type` lead. They are rendered
 * when the first is asked for, and kept: a server that nobody asks spends no time on it when it starts.
 */
export function docsRoutes({ issuer, version, directory = shippedDocs() }: DocsDeps): Router {
  const { pathname } = new URL(issuer);
  const prefix = pathname === '/' ? '' : pathname;
  const router = new Router({ sensitive: true, strict: true, prefix });
  let rendering: Promise<Docs> | undefined;
  const render = (): Promise<Docs> => {
    rendering ??= renderAll(directory, version, `${prefix}/docs`).catch(error => {
      rendering = undefined;
      throw error;
    });
    return rendering;
  };
  const show = async (ctx: Context, name: string): Promise<void> => {
    const { headers, pages } = await render();
    const page = pages.get(name);
    // Otherwise nothing is answered, and the shell says that there is no such path.
    if (page) answer(ctx, page, headers);
  };
  router.get('/docs', ctx => show(ctx, ''));
  router.get('/docs/:name', ctx => show(ctx, ctx.params['name'] ?? ''));
  router.get('/docs/:folder/:name', ctx => show(ctx, `${ctx.params['folder']}/${ctx.params['name']}`));
  return router;
}

async function renderAll(directory: string, version: string, base: string): Promise<Docs> {
  // Loaded here, since most servers are never asked.
  const { DOCS_HEADERS, renderDocs, renderIndex } = await import('./docs-page.ts');
  const rendered = renderDocs(await readSources(directory), base);
  const pages = new Map(rendered.map(({ name, html }) => [name, prepare(html)]));
  const index = renderIndex(rendered, await readByRole(directory), version, base);
  return { headers: DOCS_HEADERS, pages: pages.set('', prepare(index)) };
}

/** The page about errors is made from the tables of this very program, whatever the file says. */
async function readSources(directory: string): Promise<readonly DocsSource[]> {
  const files = await readdir(directory, { recursive: true }).catch(() => []);
  const names = files
    .filter(file => file.endsWith('.md'))
    .map(file => file.slice(0, -'.md'.length).replaceAll('\\', '/'))
    .filter(name => PAGE.test(name) && name !== 'errors')
    .sort();
  const sources = await Promise.all(
    names.map(async name => ({ name, markdown: await readFile(join(directory, `${name}.md`), 'utf8') })),
  );
  return [{ name: 'errors', markdown: renderErrorsPage() }, ...sources];
}

/** What the folder shows to those who read it as files opens the list of pages too. */
function readByRole(directory: string): Promise<string> {
  return readFile(join(directory, 'README.md'), 'utf8').catch(() => '# Documentation\n');
}

function prepare(html: string): Page {
  const body = Buffer.from(html);
  return { body, etag: `"${hash('sha256', body, 'base64url')}"` };
}

function answer(ctx: Context, { body, etag }: Page, headers: Docs['headers']): void {
  ctx.set({ ...headers, 'Cache-Control': `public, max-age=${MAX_AGE_SECONDS}`, ETag: etag });
  ctx.status = 200;
  ctx.type = 'html';
  if (ctx.fresh) ctx.status = 304;
  else ctx.body = body;
}

/** Beside the sources, or beside `dist/` in the package. */
function shippedDocs(): string {
  const root = import.meta.url.endsWith('.ts') ? '../../' : '../../../';
  return fileURLToPath(new URL(`${root}docs/`, import.meta.url));
}
