/** What a frame of a CPU profile is counted under. */

/** A frame that has a URL is code; one without is native, or no code at all. */
export interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** The first line is 0. */
  readonly lineNumber: number;
}

/** Native code that nobody's JavaScript has called. */
export const PROGRAM = '(program)';

const PACKAGES = '/node_modules/';
/** Where a checkout is compiled to. */
const COMPILED = '/dist/';

/** Node's own files, by the module that a reader knows; what is not here goes by its own first word. */
const NODE_MODULES: readonly (readonly [files: RegExp, module: string])[] = [
  [/^(_?http|internal\/http)/, 'node:http'],
  [
    /^(net|stream|_stream|internal\/(net|streams?|stream_base_commons|js_stream_socket)\b)/,
    'node:net/stream',
  ],
  [/^(crypto|internal\/crypto\/)/, 'node:crypto'],
  [/^(url|internal\/(url|idna))$/, 'node:url'],
  [/^(querystring|internal\/querystring)$/, 'node:querystring'],
  [
    /^(worker_threads|internal\/(worker|per_context\/messageport|main\/worker_thread))/,
    'node:worker_threads',
  ],
  [/^internal\/process\/(task_queues|promises)/, 'node:process (ticks)'],
  [/^(timers|internal\/(timers|linkedlist|priority_queue))/, 'node:timers'],
  [/^(buffer|internal\/(buffer|blob))/, 'node:buffer'],
  [/^(events|internal\/(events|event_target|abort_controller))/, 'node:events'],
  [/^(async_hooks|internal\/(async_hooks|async_local_storage|async_context_frame))/, 'node:async_hooks'],
  [/^(fs|internal\/fs)\b/, 'node:fs'],
  [/^internal\/(util|errors|validators|encoding|webidl|per_context)/, 'node:util'],
  [/^internal\/(modules|bootstrap|vm)/, 'node:module'],
];

/**
 * The centre of a frame that has a URL: a folder of ours (`src/tokens`, `bench`), a package by its name, or a module of Node.
 */
export function centreOf(url: string): string {
  if (url.startsWith('node:')) return moduleOfNode(url.slice('node:'.length));
  const inPackages = url.lastIndexOf(PACKAGES);
  if (inPackages >= 0) {
    const [first = '', second = ''] = url.slice(inPackages + PACKAGES.length).split('/');
    return first.startsWith('@') ? `${first}/${second}` : first;
  }
  return shortened(url)
    .split('/')
    .slice(0, -1)
    .join('/')
    .replace(/^dist\//, '');
}

function moduleOfNode(file: string): string {
  const known = NODE_MODULES.find(([files]) => files.test(file));
  return known?.[1] ?? `node:${file.replace(/^internal\//, '').split('/', 1)[0]}`;
}

/** Where a function is, as a reader finds it. */
export function placeOf({ url, lineNumber }: CallFrame): string {
  return `${shortened(url)}:${lineNumber + 1}`;
}

/** Without what stands before the package or the compiled checkout. */
function shortened(url: string): string {
  const inPackages = url.lastIndexOf(PACKAGES);
  if (inPackages >= 0) return url.slice(inPackages + PACKAGES.length);
  const compiled = url.lastIndexOf(COMPILED);
  return compiled >= 0 ? url.slice(compiled + 1) : url;
}
