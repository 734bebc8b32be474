import { describe, expect, it } from 'vitest';
import { jsonSchema, knownKeys, SPEC_KINDS } from '../../src/spec/json-schema.ts';

describe('the JSON Schema for editors', () => {
  it.each(SPEC_KINDS)('%s: closed, with a description of what is not plain', (kind) => {
    const schema = jsonSchema(kind);
    expect(schema).toMatchObject({
      type: 'object',
      additionalProperties: false,
      properties: { kind: { const: kind }, name: { type: 'string', description: expect.any(String) } },
    });
  });

  it('asks for no more than a header, a name and a port', () => {
    expect(jsonSchema('Service').required).toEqual(['apiVersion', 'kind', 'name', 'port']);
  });

  it('knows the keys at any place, through shorthands, lists and headers', () => {
    const schema = jsonSchema('Service');
    expect(knownKeys(schema, ['rollout', 'steps', 0])).toEqual(['weight', 'hold', 'deadline']);
    expect(knownKeys(schema, ['routes', 3, 'match', 'headers', 'x-any'])).toEqual(['exact', 'prefix', 'regex', 'present']);
    expect(knownKeys(schema, ['port'])).toEqual([]);
  });
});
