/** A spec folder read and judged, for the commands that need no running meshwright; or the failure that says what is wrong with it. */
import { problemsInOrder, readSpec, type SpecFile, type SpecReading } from '../spec/read-spec.ts';
import { refusedProblems, type ServiceFidelity } from '../spec-fidelity.ts';
import { Failure } from './failure.ts';
import { problemLine, readSpecFolder } from './spec-folder.ts';

export type Spec = Extract<SpecReading, { ok: true }> & { readonly files: readonly SpecFile[] };

/** @throws Failure with everything that is wrong with the files. */
export async function readSpecIn(folder: string): Promise<Spec> {
  const files = await readSpecFolder(folder);
  const reading = readSpec(files);
  if (reading.ok) return { ...reading, files };
  throw new Failure('The spec cannot be read; mend these and ask again.', { details: reading.problems.map(problemLine) });
}

/** Of what is refused: each with its place, or `undefined` when nothing is. */
export function refusalFailure(spec: Spec, fidelity: readonly ServiceFidelity[], sentence: string): Failure | undefined {
  const problems = problemsInOrder(refusedProblems(fidelity, spec.places), spec.files);
  return problems.length === 0 ? undefined : new Failure(sentence, { exitCode: 3, details: problems.map(problemLine) });
}
