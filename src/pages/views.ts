import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';

/** Beside the sources, or beside `dist/` in the package. */
const DIRECTORY = fileURLToPath(
  new URL(`${import.meta.url.endsWith('.ts') ? '../../' : '../../../'}views/`, import.meta.url),
);

export interface Asset {
  readonly body: Buffer;
  readonly type: string;
}

export interface Views {
  /** Everything in `data` is escaped where it is shown. */
  render(view: string, data: Readonly<Record<string, unknown>>): string;
  /** By file name, as in `urlOf`. */
  findAsset(file: string): Asset | undefined;
}

const require = createRequire(import.meta.url);
/** What pages load, each under a name that changes with its content, so that browsers may keep it for ever. */
const ASSETS: readonly (readonly [name: string, type: string, read: () => Buffer])[] = [
  [
    'countersign.css',
    'text/css; charset=utf-8',
    () => readFileSync(join(DIRECTORY, 'assets/countersign.css')),
  ],
  ['mark.svg', 'image/svg+xml', () => readFileSync(join(DIRECTORY, 'assets/mark.svg'))],
  [
    'countdown.js',
    'text/javascript; charset=utf-8',
    () => readFileSync(join(DIRECTORY, 'assets/countdown.js')),
  ],
  ['passkey.js', 'text/javascript; charset=utf-8', () => readFileSync(join(DIRECTORY, 'assets/passkey.js'))],
  [
    'webauthn.js',
    'text/javascript; charset=utf-8',
    () =>
      readFileSync(
        join(dirname(require.resolve('@simplewebauthn/browser')), '../dist/bundle/index.umd.min.js'),
      ),
  ],
];

/** Reads everything that pages are made of, once. */
export function openViews(prefix: string): Views {
  const eta = new Eta({ views: DIRECTORY, cache: true, autoEscape: true });
  const assets = new Map<string, Asset>();
  const urls: Record<string, string> = {};
  for (const [name, type, read] of ASSETS) {
    const body = read();
    const [stem = '', extension = ''] = name.split('.');
    const file = `${stem}-${hash('sha256', body, 'base64url').slice(0, 16)}.${extension}`;
    assets.set(file, { body, type });
    urls[name] = `${prefix}/assets/${file}`;
  }
  return {
    render: (view, data) => eta.render(view, { ...data, assets: urls }),
    findAsset: file => assets.get(file),
  };
}
