import Router from '@koa/router';
import { z } from 'zod';
import { type AdminCallDescription, type AdminCalls, makesSomething } from '../admin-api/index.ts';
import { ADMIN_API_SCOPES } from '../resources/index.ts';
import { adminApiPath } from './admin-router.ts';
import {
  answerDocumentPreflight,
  answerPrepared,
  type PreparedDocument,
  prepare,
} from './prepared-document.ts';
import { type AdminRefusal, listProblems, type ProblemText } from './problem.ts';

export interface OpenApiSource {
  readonly calls: AdminCalls;
  readonly issuer: string;
  readonly version: string;
  /** Where the page about errors is. */
  readonly docsUrl: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The document changes with the program and its configuration only. */
const MAX_AGE_SECONDS = 3_600;

/** For what any call can be refused. */
const ANY_CALL = [
  'no-token',
  'token-in-url',
  'token-not-live',
  'token-from-the-future',
  'token-for-another-resource',
  'token-is-bound',
  'token-is-not-bound',
  'token-bound-to-another-key',
  'dpop-proof-malformed',
  'dpop-proof-replayed',
  'dpop-nonce-missing',
  'origin-foreign',
  'input-invalid',
  'if-match-malformed',
  'version-changed',
  'duplicate-parameter',
  'header-repeated',
  'deployment-quarantined',
  'address-rate-exceeded',
  'address-failures-exceeded',
  'store-unavailable',
  'internal-error',
] as const satisfies readonly AdminRefusal[];

/** For what a call can be refused that may have a body: even one that takes none reads what it is sent. */
const CALL_WITH_BODY = [
  'media-type-not-supported',
  'content-coding-not-supported',
  'body-too-large',
  'body-incomplete',
  'json-malformed',
  'json-too-deep',
  'json-member-repeated',
  'json-key-not-permitted',
] as const satisfies readonly AdminRefusal[];

const CALL_WITH_VERSION = ['version-required'] as const satisfies readonly AdminRefusal[];

const CALL_WITH_KEY = [
  'idempotency-key-malformed',
  'idempotency-key-reused',
  'idempotency-key-in-progress',
] as const satisfies readonly AdminRefusal[];

/** The reasons for which a call can be refused, as a caller can tell them apart. */
export function refusalsOf(call: AdminCallDescription): readonly AdminRefusal[] {
  return [
    ...ANY_CALL,
    ...(call.scope === 'any' ? [] : (['admin-scope-missing'] as const)),
    ...(call.method === 'GET' ? [] : CALL_WITH_BODY),
    ...(call.ifMatch ? CALL_WITH_VERSION : []),
    ...(makesSomething(call) ? CALL_WITH_KEY : []),
    ...((call.refusals ?? []) as readonly AdminRefusal[]),
  ];
}

/**
 * `/openapi.json`, below the issuer: the admin API (OpenAPI 3.1), made once from the descriptions that also serve it, when it is
 * first asked for: a start has no need of it, and would take a fifth longer.
 */
export function openApiRoutes(source: OpenApiSource): Router {
  const { pathname } = new URL(source.issuer);
  const router = new Router({ sensitive: true, strict: true, prefix: pathname === '/' ? '' : pathname });
  let document: PreparedDocument | undefined;
  router.options('/openapi.json', answerDocumentPreflight);
  router.get('/openapi.json', ctx => {
    document ??= prepare(openApiDocument(source), MAX_AGE_SECONDS);
    answerPrepared(ctx, document);
  });
  return router;
}

/**
 * The admin API as OpenAPI 3.1.
 *
 * @throws {Error} when a description cannot be written down: a schema without a JSON form, or an unknown reason
 */
export function openApiDocument(source: OpenApiSource): Json {
  const writer = new Writer(source);
  const paths = new Map<string, Record<string, Json>>();
  for (const [operationId, call] of Object.entries(source.calls)) {
    const item = paths.get(call.path) ?? {};
    item[call.method.toLowerCase()] = writer.operation(operationId, call);
    paths.set(call.path, item);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Countersign admin API',
      version: source.version,
      summary:
        'Which agents exist, who owns them, what they can do, why, what they have done, and how to stop them.',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    externalDocs: { url: source.docsUrl, description: 'Every problem, by name' },
    servers: [{ url: `${new URL(source.issuer).origin}${adminApiPath(new URL(source.issuer))}/v1` }],
    security: [{ clientCredentials: [] }],
    tags: [...new Set(Object.values(source.calls).map(call => call.tag))].map(name => ({ name })),
    paths: Object.fromEntries(paths),
    components: writer.components(),
  };
}

const DESCRIPTION = `Every call carries an access token of this server for the resource \`<issuer>/api\`. What a token may do is in its scopes.

Refusals are problems (RFC 9457): \`type\` names the problem, \`parameter\`, \`sent\` and \`permitted\` say what was wrong with the request. The \`Error-Ref\` header has the reference by which \`explainError\` finds the exact reason. Answers may get more members: ignore those you do not know.`;

const PROBLEM: Json = {
  type: 'object',
  description: 'A refusal (RFC 9457).',
  required: ['type', 'title', 'status'],
  properties: {
    type: { type: 'string', format: 'uri', description: 'The kind of problem. Its fragment is the name.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What was wrong with this request, in one sentence.' },
    parameter: { type: 'string', description: 'What was at fault.' },
    sent: { type: 'string', description: 'What was sent, where it is no secret.' },
    permitted: { type: 'array', items: { type: 'string' }, description: 'What would have been accepted.' },
  },
};

const HEADERS: Readonly<Record<string, Json>> = {
  'Error-Ref': {
    description: 'The reference by which the cause of this refusal is found again.',
    schema: { type: 'string', pattern: '^err_[A-Za-z0-9_-]{66}$' },
  },
  'WWW-Authenticate': {
    description: 'What to come back with (RFC 6750 section 3, RFC 9449 section 7.1).',
    schema: { type: 'string' },
  },
  'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 0 } },
  ETag: {
    description: 'The version of the record, to be named in `If-Match` by a change.',
    schema: { type: 'string', pattern: '^"[1-9][0-9]*"$' },
  },
  'Idempotency-Replayed': {
    description:
      'The request was answered before: this is that answer again, with the secret that it may have shown. Absent otherwise.',
    schema: { const: 'true' },
  },
  Location: { description: 'Where the new record is.', schema: { type: 'string', format: 'uri' } },
};

const PARAMETERS: Readonly<Record<string, Json>> = {
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: true,
    description: 'The `ETag` of the record that the change is made to.',
    schema: { type: 'string', pattern: '^"[1-9][0-9]{0,14}"$' },
    example: '"1"',
  },
  MayMatch: {
    name: 'If-Match',
    in: 'header',
    description:
      'The `ETag` of the record, where the call is only meant for that version of it (RFC 9110 section 13.1.1).',
    schema: { type: 'string' },
    example: '"1"',
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      "A key of the caller's own for this request, such as a random UUID. The same request with the same key, within 24 hours and by the same client, makes nothing more and gets the same answer; another body with it is refused, and so is a request that comes while the first is being answered, for as long. Only what was done is remembered: after a refusal the request is decided anew.",
    schema: { type: 'string', pattern: '^("[ !#-\\[\\]-~]{1,200}"|[A-Za-z0-9_.:~+/=-]{1,200})$' },
  },
};

class Writer {
  readonly #source: OpenApiSource;
  readonly #problems = new Map<string, ProblemText>(listProblems());
  readonly #schemas: Record<string, Json> = { Problem: PROBLEM };
  readonly #responses: Record<string, Json> = {};
  readonly #responseNames = new Map<string, string>();

  constructor(source: OpenApiSource) {
    this.#source = source;
  }

  operation(operationId: string, call: AdminCallDescription): Json {
    const { example } = call;
    const parameters = [
      ...this.#parameters('path', call.params && z.object({ ...call.params }), example.params),
      ...this.#parameters('query', call.query, example.query),
      ...(call.ifMatch ? [{ $ref: '#/components/parameters/IfMatch' }] : []),
      ...(call.mayMatch ? [{ $ref: '#/components/parameters/MayMatch' }] : []),
      ...(makesSomething(call) ? [{ $ref: '#/components/parameters/IdempotencyKey' }] : []),
    ];
    return {
      operationId,
      tags: [call.tag],
      summary: call.summary,
      ...(call.description !== undefined && { description: call.description }),
      ...(call.scope !== 'any' && { security: [{ clientCredentials: [call.scope] }] }),
      ...(parameters.length > 0 && { parameters }),
      ...(call.body && {
        requestBody: {
          required: !call.bodyOptional,
          content: {
            [call.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json']: {
              schema: this.#schema(call.body, 'input'),
              example: example.body,
            },
          },
        },
      }),
      responses: { [call.status ?? 200]: this.#success(call), ...this.#refusals(call) },
    };
  }

  components(): Json {
    const scopes = Object.fromEntries(ADMIN_API_SCOPES.map(({ name, sentence }) => [name, sentence]));
    return {
      securitySchemes: {
        clientCredentials: {
          type: 'oauth2',
          description: 'RFC 6749 section 4.4, with `resource` (RFC 8707) as `<issuer>/api`.',
          flows: { clientCredentials: { tokenUrl: `${this.#source.issuer}/token`, scopes } },
        },
      },
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: this.#responses,
      schemas: Object.fromEntries(Object.entries(this.#schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
    };
  }

  #parameters(
    where: 'path' | 'query',
    schema: z.ZodObject | undefined,
    example: Readonly<Record<string, string>> = {},
  ): readonly Json[] {
    if (!schema) return [];
    const { properties = {}, required = [] } = this.#schema(schema, 'input') as {
      properties?: Readonly<Record<string, Json>>;
      required?: readonly string[];
    };
    return Object.entries(properties).map(([name, { description, ...property }]) => ({
      name,
      in: where,
      ...(where === 'path' || required.includes(name) ? { required: true } : {}),
      ...(description !== undefined && { description }),
      schema: property,
      ...(example[name] !== undefined && {
        example: property['type'] === 'integer' ? Number(example[name]) : example[name],
      }),
    }));
  }

  #success(call: AdminCallDescription): Json {
    const names = [
      ...(call.etag ? ['ETag'] : []),
      ...(call.location ? ['Location'] : []),
      ...(makesSomething(call) ? ['Idempotency-Replayed'] : []),
    ];
    return {
      description: call.status === 201 ? 'Made.' : 'Done.',
      ...(names.length > 0 && { headers: headers(names) }),
      content: { 'application/json': { schema: this.#schema(call.answer, 'output') } },
    };
  }

  /** Each status with the problems it can mean. Calls that can be refused alike share one component. */
  #refusals(call: AdminCallDescription): Readonly<Record<string, Json>> {
    const byStatus = new Map<number, Map<string, string>>();
    for (const reason of refusalsOf(call)) {
      const text = this.#problems.get(reason);
      if (!text) throw new Error(`no problem is called ${reason}: see http/problem.ts`);
      const problems = byStatus.get(text.status) ?? new Map<string, string>();
      byStatus.set(text.status, problems.set(text.code ?? reason, text.title));
    }
    return Object.fromEntries(
      [...byStatus].map(([status, problems]) => [status, this.#refusal(status, problems)]),
    );
  }

  #refusal(status: number, problems: ReadonlyMap<string, string>): Json {
    const codes = [...problems.keys()];
    const key = codes.join(' ');
    let name = this.#responseNames.get(key);
    if (name === undefined) {
      const alike = Object.keys(this.#responses).filter(each => each.startsWith(`Refused${status}`)).length;
      name = `Refused${status}${alike === 0 ? '' : `-${alike + 1}`}`;
      this.#responseNames.set(key, name);
      this.#responses[name] = {
        description: [...problems].map(([code, title]) => `- \`${code}\`: ${title}`).join('\n'),
        headers: headers([
          'Error-Ref',
          ...(status === 401 || status === 403 ? ['WWW-Authenticate'] : []),
          ...(status === 429 || status === 503 ? ['Retry-After'] : []),
        ]),
        content: {
          'application/problem+json': {
            schema: {
              allOf: [{ $ref: '#/components/schemas/Problem' }],
              properties: { type: { enum: codes.map(code => `${this.#source.docsUrl}#${code}`) } },
            },
          },
        },
      };
    }
    return { $ref: `#/components/responses/${name}` };
  }

  /** A schema in JSON; those with a name become components. What goes out may get more members one day; what comes in is closed. */
  #schema(schema: z.ZodType, io: 'input' | 'output'): Json {
    const text = JSON.stringify(
      z.toJSONSchema(schema, {
        io,
        override: ({ jsonSchema }) => {
          if (io === 'output' && jsonSchema.additionalProperties === false)
            delete jsonSchema.additionalProperties;
          // The name says it better than the expression that checks it.
          if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
          const { wire, ...described } = jsonSchema as { wire?: Json };
          if (!wire) return;
          for (const member of Object.keys(described)) delete jsonSchema[member];
          delete jsonSchema['wire'];
          const { description } = described as { description?: string };
          Object.assign(jsonSchema, wire, description !== undefined && { description });
        },
      }),
    ).replaceAll('"#/$defs/', '"#/components/schemas/');
    const {
      $schema: _,
      $defs = {},
      ...json
    } = JSON.parse(text) as { $schema: string; $defs?: Record<string, Json> };
    for (const [name, definition] of Object.entries($defs)) {
      const { id: _id, ...named } = definition;
      const known = this.#schemas[name];
      if (known && JSON.stringify(known) !== JSON.stringify(named)) {
        throw new Error(`two schemas are called ${name}`);
      }
      this.#schemas[name] = named;
    }
    return json;
  }
}

function headers(names: readonly string[]): Json {
  return Object.fromEntries(names.map(name => [name, { $ref: `#/components/headers/${name}` }]));
}
