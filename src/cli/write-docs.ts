import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { documentsJsonSchema } from '../as-code/index.ts';
import { renderAuditPage } from '../audit/index.ts';
import { renderConfigurationPage, renderEnvExample } from '../config/index.ts';
import { renderApiPage, renderErrorsPage } from '../http/index.ts';
import { renderMetricsPage } from '../metrics/index.ts';
import { renderCliPage } from './cli-page.ts';

/**
 * The pages that are made from code. A test compares each with its file, so that neither changes without the other; after a
 * change, `npm run docs` writes them again. Paths start at the root of the repository.
 */
export const GENERATED_DOCS: readonly {
  readonly path: string;
  readonly render: () => string | Promise<string>;
}[] = [
  { path: 'docs/configuration.md', render: renderConfigurationPage },
  { path: 'docs/audit.md', render: renderAuditPage },
  { path: 'docs/api.md', render: renderApiPage },
  { path: 'docs/errors.md', render: renderErrorsPage },
  { path: 'docs/metrics.md', render: renderMetricsPage },
  { path: 'docs/cli.md', render: renderCliPage },
  {
    path: 'docs/as-code.schema.json',
    render: () => `${JSON.stringify(documentsJsonSchema(), undefined, 2)}\n`,
  },
  { path: '.env.example', render: renderEnvExample },
];

if (import.meta.main) {
  for (const { path, render } of GENERATED_DOCS) {
    const target = resolve(import.meta.dirname, '../..', path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, await render());
    console.log(path);
  }
}
