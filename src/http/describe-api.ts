import { ADMIN_CALLS } from '../admin-api/calls.ts';
import { type AdminCallDescription, makesSomething } from '../admin-api/index.ts';
import { openApiDocument, refusalsOf } from './openapi.ts';
import { listProblems } from './problem.ts';

/** A schema of the document, as far as it is shown here. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly parameters: Readonly<Record<string, Parameter>>;
  };
}

/** Of every call alike, and told once on the page. */
const SHARED = new Set(refusalsOf({ scope: 'read', method: 'POST', answer: undefined } as never));

/** `docs/api.md`: every call of the admin API, from the descriptions that serve it and the OpenAPI document made of them. */
export function renderApiPage(): string {
  const document = openApiDocument({
    calls: ADMIN_CALLS,
    issuer: 'https://auth.example.com',
    version: '0',
    docsUrl: 'errors.md',
  }) as unknown as Document;
  const calls = Object.entries(ADMIN_CALLS) as [string, AdminCallDescription][];
  const tags = [...new Set(calls.map(([, { tag }]) => tag))];
  return `${INTRODUCTION}
## Calls

${tags
  .map(tag => {
    const own = calls.filter(([, call]) => call.tag === tag);
    return `### ${tag}\n\n${own.map(each => section(document, ...each)).join('\n\n')}`;
  })
  .join('\n\n')}

## Records

${Object.entries(document.components.schemas)
  .filter(([name]) => name !== 'Problem')
  .map(([name, schema]) => record(name, schema))
  .join('\n\n')}

This page is made from the descriptions of the calls by \`npm run docs\`.
`;
}

const INTRODUCTION = `# Admin API

\`/api/v1\`, below the issuer, does everything that can be administered. \`/openapi.json\` describes it to programs (OpenAPI 3.1), \`countersign\` has a verb for each call
([the command line](cli.md)), and \`countersign/client\` a method in TypeScript.

## Start

In a checkout after \`npm ci\`; a test of ours does the same. Leave the server running, and go on in a second terminal.

\`\`\`sh start until=$ISSUER/readyz
npm start
\`\`\`

The first start has written the credentials of an administrator to \`var/bootstrap-client.json\`. A token for this API is one for the resource \`<issuer>/api\`, which is
what an administrator gets who names none.

\`\`\`sh run
ISSUER=\${ISSUER:-http://localhost:4444}
value() { node -p "JSON.parse(fs.readFileSync(0))$1"; }   # takes one value out of JSON
CLIENT=$(value .client_id < var/bootstrap-client.json):$(value .client_secret < var/bootstrap-client.json)
TOKEN=$(curl -fsS -u "$CLIENT" -d grant_type=client_credentials "$ISSUER/token" | value .access_token)
curl -fsS "$ISSUER/api/v1/me" -H "Authorization: Bearer $TOKEN" | value '.scopes.join()'
\`\`\`

\`\`\`text output
read,agents,people,kill,keys,audit
\`\`\`

**What makes something takes an \`Idempotency-Key\`.** Sent again with the same key, for 24 hours, the same request makes nothing more and gets the same answer, so a lost answer
is no reason to wonder:

\`\`\`sh run
add() { curl -fsS "$ISSUER/api/v1/people" -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -H 'Idempotency-Key: "add-ada"' -d '{ "name": "Ada Owner" }'; }
[ "$(add | value .id)" = "$(add | value .id)" ] && echo one person
\`\`\`

\`\`\`text output
one person
\`\`\`

The answer is kept sealed, under a key that is made of the key-encryption key and your \`Idempotency-Key\`: a secret that it showed is shown again, to you alone. A key belongs to
the call: at another path it is another one. With another body it is refused (422), and while the first request is being answered, so is the second (409, with \`Retry-After\`).
Calls that make nothing can be repeated as they are.

**A change names the version it was made to**, so that two people do not undo each other's work: the \`ETag\` of the record goes into \`If-Match\`.

\`\`\`sh run
ID=$(add | value .id)
ETAG=$(curl -fsS -o /dev/null -w '%header{etag}' "$ISSUER/api/v1/people/$ID" -H "Authorization: Bearer $TOKEN")
change() { curl -sS -X PATCH "$ISSUER/api/v1/people/$ID" -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -H "If-Match: $ETAG" -d "{ \\"name\\": \\"$1\\" }"; }
change 'Ada Lovelace' | value .version
change 'Ada Byron' | value .title
\`\`\`

\`\`\`text output
2
The record has been changed since it was read
\`\`\`

\`If-Match\` is evaluated wherever it is sent (RFC 9110 section 13.1.1): a kill, a restore or a new secret that names a version is refused (412) when the record is at another. A
list names several versions, \`*\` any, a weak tag none; what is no single record has no version, so that there only \`*\` holds.

**Lists come in pages**, with filters and an order that walk along an index, however many records there are. \`next\` is where the next page begins; a list without it
has ended, and a page may be shorter than was asked for.

\`\`\`sh run
curl -fsS "$ISSUER/api/v1/people?namePrefix=ada&limit=1" -H "Authorization: Bearer $TOKEN" | value .items.length
\`\`\`

\`\`\`text output
1
\`\`\`

The same from a program, which gets its own tokens, sends a key with each creation, and repeats what was lost on its way once:

\`\`\`js check
import { createClient } from 'countersign/client';

export async function suspendIdle(issuer, clientId, clientSecret) {
  const countersign = createClient({ issuer, clientId, clientSecret });
  const lastUsedBefore = new Date(Date.now() - 90 * 86_400_000).toISOString();
  for await (const { id, name } of countersign.listAgents({ lastUsedBefore, status: 'active' })) {
    console.log(name, (await countersign.killAgent({ id })).status);
  }
}
\`\`\`

**Refusals are problems** (RFC 9457): \`type\` leads to [the page about it](errors.md), and \`parameter\`, \`sent\` and \`permitted\` say what was wrong. The \`Error-Ref\` header finds
the exact reason again (\`explainError\`). Every call can be refused for its token, its form and the state of the server; what else it can be refused for stands with it.

Each call needs one scope: \`read\`, \`agents\`, \`people\`, \`kill\`, \`keys\` or \`audit\`, so that duties can be given to different clients. Nobody gives away more of this API than they hold,
nor acts on an agent that holds more of it, except by a kill: the token of such a call holds what the agent holds. To applications, which anybody may use who signs in, it is not given at all.
In the examples below, \`$API\` is \`<issuer>/api/v1\` and \`$TOKEN\` a token with that scope.
`;

function section(document: Document, operationId: string, call: AdminCallDescription): string {
  const operation = document.paths[call.path]?.[call.method.toLowerCase()] as Operation;
  const own = refusalsOf(call).filter(reason => !SHARED.has(reason));
  const codes = new Map(listProblems().map(([reason, { code }]) => [reason as string, code ?? reason]));
  const names = [...new Set(own.map(reason => codes.get(reason) ?? reason))];
  const answer = operation.responses[String(call.status ?? 200)]?.content?.['application/json']?.schema;
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const parameters = (operation.parameters ?? []).map(parameter =>
    parameter.$ref === undefined
      ? parameter
      : (document.components.parameters[parameter.$ref.split('/').at(-1) ?? ''] as Parameter),
  );
  return [
    `#### ${call.summary}`,
    `\`${call.method} ${call.path}\` · ${call.scope === 'any' ? 'any scope' : `scope \`${call.scope}\``} · \`${operationId}\``,
    ...(call.description === undefined ? [] : [call.description]),
    ...(parameters.length === 0 ? [] : [parameterTable(parameters)]),
    ...(body === undefined ? [] : [`Takes ${typeOf(body)}.`]),
    ...(answer === undefined
      ? []
      : [`Answers ${call.status ?? 200} with ${typeOf(answer)}${headersOf(call)}.`]),
    ...(names.length === 0
      ? []
      : [`Refused for: ${names.map(name => `[\`${name}\`](errors.md#${name})`).join(', ')}.`]),
    `\`\`\`sh check\n${curl(call)}\n\`\`\``,
  ].join('\n\n');
}

function headersOf(call: AdminCallDescription): string {
  const names = [...(call.etag ? ['`ETag`'] : []), ...(call.location ? ['`Location`'] : [])];
  return names.length === 0 ? '' : `, ${names.join(' and ')}`;
}

function parameterTable(parameters: readonly Parameter[]): string {
  const rows = parameters.map(({ name, in: where, required, description, schema }) => {
    const text = description ?? schema.description ?? '';
    return `| \`${name}\` | ${where} | ${typeOf(schema)} | ${cell(`${required ? 'needed. ' : ''}${text}`)} |`;
  });
  return ['| parameter | in | type | |', '|---|---|---|---|', ...rows].join('\n');
}

function record(name: string, schema: Schema): string {
  const parts = [`### ${name}`, ...(schema.description === undefined ? [] : [schema.description])];
  if (schema.properties === undefined) parts.push(`${typeOf(schema)}.`);
  else parts.push(fieldTable(schema));
  return parts.join('\n\n');
}

function fieldTable({ properties = {}, required = [] }: Schema): string {
  const rows = Object.entries(properties).map(([name, schema]) => {
    const text = `${required.includes(name) ? '' : 'optional. '}${schema.description ?? ''}`;
    return `| \`${name}\` | ${typeOf(schema)} | ${cell(text)} |`;
  });
  return ['| field | type | |', '|---|---|---|', ...rows].join('\n');
}

function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return `[${name}](#${name.toLowerCase()})`;
  }
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return [...new Set(alternatives.map(typeOf))].join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map(value => `\`${String(value)}\``).join(', ');
  if (schema.type === 'array') return `list of ${schema.items ? typeOf(schema.items) : 'anything'}`;
  if (schema.properties) {
    const fields = Object.entries(schema.properties).map(
      ([name, member]) => `\`${name}\`: ${typeOf(member)}`,
    );
    return `object (${fields.join('; ')})`;
  }
  return schema.format ?? schema.type ?? 'anything';
}

/** Text in a cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ').trim();
}

function curl(call: AdminCallDescription): string {
  const path = call.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => call.example.params?.[name] ?? name);
  const query = call.example.query === undefined ? '' : `?${new URLSearchParams(call.example.query)}`;
  const method = call.method === 'GET' || call.example.body !== undefined ? '' : ` -X ${call.method}`;
  const patch = call.method === 'PATCH' ? ' -X PATCH' : '';
  return [
    `curl${patch || method} "$API${path}${query}" -H "Authorization: Bearer $TOKEN"`,
    ...(makesSomething(call) ? ['-H "Idempotency-Key: $(uuidgen)"'] : []),
    ...(call.ifMatch ? [`-H 'If-Match: "1"'`] : []),
    ...(call.example.body === undefined
      ? []
      : ["-H 'Content-Type: application/json'", `-d '${JSON.stringify(call.example.body)}'`]),
  ].join(' \\\n  ');
}
