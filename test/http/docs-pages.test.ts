import { readdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { renderDocs } from '../../src/http/docs-page.ts';
import { ERROR_CATALOGUE } from '../../src/http/error-catalogue.ts';
import { type App, startApp } from '../support/start-app.ts';

const DOCS = join(import.meta.dirname, '../../docs');

async function page(app: App, path: string): Promise<{ readonly response: Response; readonly html: string }> {
  const response = await fetch(`${app.base}${path}`);
  return { response, html: await response.text() };
}

/** `fetch` asks for the page anew whatever it was told. */
function statusOf(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, response => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
}

test('service_documentation lists every page that is shipped, and each is there', async t => {
  const app = await startApp(t);
  const metadata = (await (await fetch(`${app.base}/.well-known/oauth-authorization-server`)).json()) as {
    readonly service_documentation: string;
  };
  t.is(metadata.service_documentation, `${app.issuer}/docs`);
  const { response, html } = await page(app, '/docs');
  t.is(response.status, 200);
  t.is(html.match(/<h1/g)?.length, 1);
  const [byRole = '', every = ''] = html.split('<h2 id="pages">');
  t.regex(byRole, /the author of an agent.*href="\/docs\/quickstart-agent"/s);
  const links = [...every.matchAll(/href="(\/docs\/[^"]+)"/g)].map(([, href]) => href ?? '');
  // The folder's own list is the top of this page.
  const shipped = readdirSync(DOCS, { recursive: true, encoding: 'utf8' }).filter(
    name => name.endsWith('.md') && name !== 'README.md',
  );
  t.deepEqual(links.toSorted(), shipped.map(name => `/docs/${name.slice(0, -3)}`).toSorted());
  for (const link of links) {
    const { response, html } = await page(app, link);
    t.is(response.status, 200, link);
    t.is(html.match(/<h1/g)?.length, 1, link);
  }
});

test('every link of every page leads to a page and an anchor that are there', async t => {
  const app = await startApp(t);
  const index = await page(app, '/docs');
  const links = [...index.html.matchAll(/href="(\/docs\/[^"]+)"/g)].map(([, href]) => href ?? '');
  const pages = new Map<string, string>();
  for (const link of links) pages.set(link, (await page(app, link)).html);
  for (const [link, html] of pages) {
    for (const [, href = ''] of html.matchAll(/<a [^>]*href="([^"]*)"/g)) {
      if (href.startsWith('https://') || href === '/docs') continue;
      const [path, anchor] = href.split('#');
      const target = path === '' ? html : pages.get(path ?? '');
      if (target === undefined) t.fail(`${link}: ${href}`);
      else if (anchor !== undefined) t.true(target.includes(`id="${anchor}"`), `${link}: ${href}`);
    }
  }
});

test('a page loads, runs and sends nothing, and may be kept for a while', async t => {
  const app = await startApp(t);
  const { response, html } = await page(app, '/docs/errors');
  const policy = response.headers.get('content-security-policy') ?? '';
  t.regex(
    policy,
    /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style));
  t.true(policy.includes(Buffer.from(digest).toString('base64')), 'the style is the one that is permitted');
  t.notRegex(html, /<script|<img|<iframe|<form|<link|\sstyle=|\son\w+=|javascript:/);
  t.is(response.headers.get('x-content-type-options'), 'nosniff');
  const etag = response.headers.get('etag') ?? '';
  t.is(await statusOf(response.url, { 'If-None-Match': etag }), 304);
  t.is(await statusOf(response.url, { 'If-None-Match': '"another"' }), 200);
});

test('a page says its language, fits a narrow screen and follows the scheme of the reader', async t => {
  const app = await startApp(t);
  for (const path of ['/docs', '/docs/errors', '/docs/configuration']) {
    const { html } = await page(app, path);
    t.true(html.startsWith('<!doctype html>\n<html lang="en">'), path);
    t.true(html.includes('<meta name="viewport" content="width=device-width, initial-scale=1">'), path);
    t.true(html.includes('color-scheme: light dark') && html.includes('prefers-color-scheme: dark'), path);
    t.is(html.match(/<main /g)?.length, 1, path);
    t.true(html.includes('<a class="skip" href="#content">'), path);
    // The order of headings has no gaps.
    const depths = [...html.matchAll(/<h([1-6])/g)].map(([, depth]) => Number(depth));
    t.true(
      depths.every((depth, index) => index === 0 || depth <= (depths[index - 1] ?? 0) + 1),
      path,
    );
  }
});

test('every error that the server answers with has its anchor, its meaning and its mending on the page', async t => {
  const app = await startApp(t);
  const { html } = await page(app, '/docs/errors');
  for (const [reason, { name, fix }] of ERROR_CATALOGUE) {
    t.is(html.split(`id="${name}"`).length, 2, reason);
    const section = html.slice(html.indexOf(`id="${name}"`)).split('<h3')[0] ?? '';
    const text = section.replaceAll('&#39;', "'").replaceAll('&quot;', '"');
    t.true(text.includes(fix), reason);
  }
});

test('I17: what looks like HTML in a page stays text, and a link leads to https, a page or nowhere', t => {
  const [shown] = renderDocs(
    [
      {
        name: 'a',
        markdown: `# A <b>title</b>

<script>alert(1)</script> and <img src=x onerror=alert(1)> and \`<i>\`

[script](javascript:alert(1)) [data](data:text/html,x) [http](http://example.org/) [file](../../src/main.ts)
[good](https://example.org/?a=1&b="x") [own](b.md#part) [missing](c.md) [here](#part) ![picture](https://example.org/x.png)

| <u>head</u> |
|---|
| <script>cell</script> |
`,
      },
      { name: 'b', markdown: '# B\n\n## Part' },
    ],
    '/docs',
  );
  const content = shown?.html.split('<main id="content">')[1] ?? '';
  t.notRegex(content, /<(script|img|b|u|i)[ >]/);
  t.deepEqual(
    [...content.matchAll(/href="([^"]*)"/g)].map(([, href]) => href),
    ['https://example.org/?a=1&amp;b=%22x%22', '/docs/b#part', '#part'],
  );
});

test('a path that names no page is no way to a file', async t => {
  const app = await startApp(t);
  for (const path of [
    '/docs/',
    '/docs/missing',
    '/docs/..%2fpackage',
    '/docs/errors.md',
    '/docs/decisions',
    '/docs/a/b/c',
  ]) {
    const response = await fetch(`${app.base}${path}`);
    t.is(response.status, 404, path);
    t.regex(response.headers.get('error-ref') ?? '', /^err_/, path);
  }
});

test('an issuer with a path has its pages below it, and error_uri leads there', async t => {
  const app = await startApp(t, { env: { COUNTERSIGN_ISSUER: 'http://localhost:4999/as' } });
  const call = (path: string) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      get(`${app.base}${path}`, { headers: { Host: 'localhost:4999' } }, response => {
        const chunks: Buffer[] = [];
        response.on('data', chunk => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }),
        );
      }).on('error', reject);
    });
  t.true((await call('/as/docs')).text.includes('href="/as/docs/errors"'));
  t.true((await call('/as/docs/errors')).text.includes('id="path-unknown"'));
  const unknown = await call('/docs/errors');
  t.is(unknown.status, 404);
  t.is(JSON.parse(unknown.text).type, 'http://localhost:4999/as/docs/errors#path-unknown');
});
