import { keyOf } from './config-file.ts';
import { permitted, rows, type Setting, variablesOf } from './schema.ts';

/** `docs/configuration.md`, written from the table of settings. */
export function renderConfigurationPage(): string {
  return `# Configuration

Countersign reads its settings from environment variables and a file, once, when it starts. It starts only if every one of them is
permitted; otherwise it lists all problems, one a line, and ends.

- A name that begins with \`COUNTERSIGN_\` and is not in the table is refused, so that a mistyped one is noticed.
- An empty value is refused; leave a variable out to get its default.
- A secret can also be put in a file: \`NAME_FILE\` holds the path, and what the file holds, without white space at either end, is
  the value. Giving both is refused. Secrets are never shown in messages or logs.
- Settings can also stand in a YAML file, under the names of their variables without \`COUNTERSIGN_\`, in lower case:
  \`COUNTERSIGN_CONFIG_FILE\` or \`countersign start --config FILE\` names it. What the environment says of a setting wins. A
  secret may stand in the file only if nobody else can read it. \`countersign init\` writes such a file, and
  \`countersign config check FILE\` finds everything that is wrong with one, with line and column.
- A file with a secret is refused if others can write it (mode 0022) or everybody can read it (0004). Below \`/run/secrets/\`,
  where containers are handed theirs, it may be read.
- What the first start makes in the data directory, and the SQLite file, only the server's user may read: others are shut out, and
  a line of the log says so. What others can write, or what belongs to another user than that and root, is refused.
- Relative paths start at the directory that the process was started in.
- Also refused: \`NODE_TLS_REJECT_UNAUTHORIZED=0\`, and \`NODE_OPTIONS\` with \`--insecure-http-parser\` or \`--tls-min-v1.0\` or
  \`--tls-min-v1.1\`; one secret for two purposes, and one file for two purposes.
- A MongoDB URI may not weaken what the store promises: \`w\`, \`journal\`, \`readPreference\`, \`readConcernLevel\`, \`retryWrites\`,
  \`retryReads\` and the \`tls\` options are refused with any value but the safe one. It names its database, and what is no
  letter, digit or one of \`-._~!$&'()*+,;=\` in its user name and password is escaped, as \`%40\` for \`@\`.

\`\`\`yaml check
issuer: https://auth.example.com
host: 0.0.0.0
trusted_proxies: [10.0.0.0/8]
store_file: /run/secrets/mongodb-uri
\`\`\`

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
# start with: node --env-file=.env bin/countersign.js start
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

/**
 * A file of settings with every one in it: those that were chosen, and the others with their defaults, commented out.
 *
 * @param chosen by their names in the file
 */
export function renderConfigFile(chosen: Readonly<Record<string, string>>): string {
  const head = `# The settings of Countersign; docs/configuration.md says more. Take the # from what you change, and check it with
# countersign config check FILE. What the environment says of a setting wins.
`;
  return [head, ...rows().map(([, setting]) => fileEntry(setting, chosen))].join('\n');
}

function fileEntry(setting: Setting, chosen: Readonly<Record<string, string>>): string {
  const { direct, file } = variablesOf(setting);
  const keys = [direct, file].filter(name => name !== undefined).map(keyOf);
  const key = keys.find(each => chosen[each] !== undefined);
  const shown = setting.secret && setting.default === undefined ? file : direct;
  const lines = [
    ...wrap(setting.consequence),
    ...wrap(`Permitted: ${permitted(setting)}.`),
    ...(setting.default === undefined ? wrap(`Without it: ${setting.whenAbsent}.`) : []),
    key === undefined
      ? `#${keyOf(shown ?? setting.name)}: ${yamlText(setting.default ?? '')}`.trimEnd()
      : `${key}: ${yamlText(chosen[key] ?? '')}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** A text as YAML takes it for one: plain where nothing in it means anything, quoted as JSON otherwise. */
function yamlText(text: string): string {
  return text === '' || /^[\w/.][\w/.:+-]*$/.test(text) ? text : JSON.stringify(text);
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
