import { permitted, rows, type Setting, variablesOf } from './schema.ts';

/** `docs/configuration.md`, written from the table of settings. */
export function renderConfigurationPage(): string {
  return `# Configuration

Countersign reads its settings from environment variables, once, when it starts. It starts only if every one of them is
permitted; otherwise it lists all problems, one a line, and ends.

- A name that begins with \`COUNTERSIGN_\` and is not in the table is refused, so that a mistyped one is noticed.
- An empty value is refused; leave a variable out to get its default.
- A secret can also be put in a file: \`NAME_FILE\` holds the path, and what the file holds, without white space at either end, is
  the value. Giving both is refused. Secrets are never shown in messages or logs.
- Relative paths start at the directory that the process was started in.
- Also refused: \`NODE_TLS_REJECT_UNAUTHORIZED=0\`, and \`NODE_OPTIONS\` with \`--insecure-http-parser\` or \`--tls-min-v1.0\` or
  \`--tls-min-v1.1\`; one secret for two purposes, and one file for two purposes.
- A MongoDB URI may not weaken what the store promises: \`w\`, \`journal\`, \`readPreference\`, \`readConcernLevel\`, \`retryWrites\`,
  \`retryReads\` and the \`tls\` options are refused with any value but the safe one.

| Setting | What it does | Permitted | Default |
|---|---|---|---|
${rows()
  .map(([, setting]) => tableRow(setting))
  .join('\n')}

This page is made from \`src/config/schema.ts\` by \`npm run docs\`.
`;
}

function tableRow(setting: Setting): string {
  const names = Object.values(variablesOf(setting)).map(name => `\`${name}\``);
  const cells = [
    names.join(' or '),
    `${setting.consequence}${setting.secret ? ' **Secret.**' : ''}`,
    permitted(setting),
    setting.default === undefined ? `none: ${setting.whenAbsent}` : `\`${setting.default}\``,
  ];
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** `.env.example`, written from the table of settings: each is there with its default, commented out. */
export function renderEnvExample(): string {
  const head = `# The settings of Countersign; docs/configuration.md says more. Copy this file to .env, take the # from what you change, and
# start with: node --env-file=.env src/main.ts
`;
  return [head, ...rows().map(([, setting]) => exampleEntry(setting))].join('\n');
}

function exampleEntry(setting: Setting): string {
  const { direct, file } = variablesOf(setting);
  // A secret belongs in a file of its own, not beside the other settings.
  const name = setting.secret && setting.default === undefined ? file : direct;
  const lines = [
    ...wrap(setting.consequence),
    ...wrap(`Permitted: ${permitted(setting)}.`),
    ...(setting.default === undefined ? wrap(`Without it: ${setting.whenAbsent}.`) : []),
    `#${name ?? setting.name}=${setting.default ?? ''}`,
  ];
  return `${lines.join('\n')}\n`;
}

const WIDTH = 118;

function wrap(sentence: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of sentence.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
