/** `npm run demo`: Countersign, a real MCP server protected by it, and a real agent, from the first token to the kill, and for a person, who countersigns what goes beyond, until she ends it. */
import { Command } from 'commander';
import pc from 'picocolors';
import { runDemo } from './run-demo.ts';

const { once = false } = new Command('npm run demo --')
  .description('Starts Countersign, an MCP server that it protects and an agent, and tells what happens.')
  .option(
    '--once',
    'ask nobody, and end after the story; the exit code is 0 only if every step did what it says',
  )
  .addHelpText(
    'after',
    '\nExamples:\n  npm run demo             lets you play Alice, then stays up for you to try\n  npm run demo -- --once   tells the story and ends',
  )
  .parse()
  .opts<{ once?: boolean }>();

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
// Nobody reads any more, as with `npm run demo | head`.
process.stdout.on('error', () => stop.abort());

const exitCode = await runDemo({
  once,
  useColour: pc.isColorSupported && process.stdout.isTTY === true,
  print: line => console.log(line),
  signal: stop.signal,
  input: process.stdin,
});
// Connections that clients keep open would hold the process for seconds.
process.exit(exitCode);
