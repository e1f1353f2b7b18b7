import { z } from 'zod';
import { documentSchema, RECORD_KINDS } from './kinds.ts';
import { KINDS } from './record-key.ts';

/** The JSON Schema (2020-12) of one document, for editors. It says what a form can say; `plan` says the rest. */
export function documentsJsonSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Countersign as code',
    description: 'One record of an authorization server.',
    type: 'object',
    required: ['kind'],
    properties: { kind: { enum: KINDS } },
    allOf: KINDS.map(kind => {
      const { $schema: _, ...schema } = z.toJSONSchema(documentSchema(kind), { io: 'input' });
      return {
        if: { required: ['kind'], properties: { kind: { const: kind } } },
        // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
        then: {
          description: RECORD_KINDS[kind].description,
          ...schema,
          oneOf: [{ required: ['key'] }, { required: ['id'] }],
        },
      };
    }),
  };
}
