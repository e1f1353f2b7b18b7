import { visibleText } from '../text/index.ts';

const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/**
 * A line of the log for whoever watches a terminal: when (UTC), how severe, what, and then what belongs to it. Nothing in it moves
 * the cursor, whoever its words are from.
 *
 * @param line JSON, as the log has it for programs
 */
export function readableLine(line: string): string {
  const { level, time, msg, err, pid: _pid, hostname: _hostname, ...more } = JSON.parse(line) as LogLine;
  const when = new Date(time).toISOString().slice(11, 19);
  const facts = Object.entries(more).map(([name, value]) => `${name}=${shown(value)}`);
  const head = [`${when} ${(LEVELS[level] ?? String(level)).padEnd(5)} ${visibleText(msg ?? '')}`, ...facts];
  const stack = err?.stack ?? err?.message;
  const lines = stack === undefined ? [] : stack.split('\n').map(each => `    ${visibleText(each)}`);
  return `${[head.join('  '), ...lines].join('\n')}\n`;
}

interface LogLine {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
  readonly [fact: string]: unknown;
}

function shown(value: unknown): string {
  return visibleText(typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value));
}
