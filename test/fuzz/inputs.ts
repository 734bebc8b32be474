/** What parsers are given: arbitrary text, JSON and bytes, and, four times as often, valid samples with a little damage. */
import fc from 'fast-check';
import type { Json } from '../../src/journal/documents.ts';
import { mutatedBytes, mutatedJson, mutatedText, type Step } from './mutations.ts';

/** Values that parsers have stumbled over, here and elsewhere. */
const ODD: readonly Json[] = [
  null,
  true,
  0,
  -1,
  0.1,
  1e308,
  2 ** 53,
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\u2028',
  '__proto__',
  '../..',
  '%zz',
  '-0',
  '1e999',
  'NaN',
  '2026-02-30T25:61:61Z',
  '0000-00-00T00:00:00Z',
  'https://',
  'https://[::1',
  'https://user:secret@host.example/',
  'spiffe://',
  '*',
  '.*'.repeat(60),
  '(a+)+$',
  '\n---\n',
  '*a',
  '&a ',
  '!!js/function "x"',
  '<<: *a',
  '9'.repeat(400),
  'a'.repeat(5_000),
  [],
  {},
  [[[]]],
];

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    where: fc.nat(100_000),
    how: fc.nat(420),
    what: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...ODD) }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) }),
  }),
  { minLength: 1, maxLength: 4 },
);

const arbitraryJson: fc.Arbitrary<Json> = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)));
const arbitraryText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  arbitraryJson.map((value) => JSON.stringify(value)),
);

const mutated = <Sample, Input>(
  samples: readonly Sample[],
  mutate: (sample: Sample, steps: readonly Step[]) => Input,
): fc.Arbitrary<Input> => fc.tuple(fc.constantFrom(...samples), steps).map(([sample, damage]) => mutate(sample, damage));

const mostly = <Input>(damaged: fc.Arbitrary<Input>, arbitrary: fc.Arbitrary<Input>): fc.Arbitrary<Input> =>
  fc.oneof({ weight: 4, arbitrary: damaged }, { weight: 1, arbitrary });

export const jsonInputs = (samples: readonly Json[]): fc.Arbitrary<Json> => mostly(mutated(samples, mutatedJson), arbitraryJson);

/** `values`: those of the samples that have a structure, to be damaged as such and written as JSON (which is YAML too). */
export function textInputs(samples: readonly string[], values: readonly Json[] = []): fc.Arbitrary<string> {
  const asText = mutated(samples, mutatedText);
  const damaged =
    values.length === 0
      ? asText
      : fc.oneof(
          asText,
          mutated(values, (value, damage) => JSON.stringify(mutatedJson(value, damage))),
        );
  return mostly(damaged, arbitraryText);
}

export const byteInputs = (samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  mostly(mutated(samples, mutatedBytes), fc.uint8Array({ maxLength: 400 }));
