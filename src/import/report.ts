/** The report of an import: for machines as it is, for people as text. What nobody may overlook comes first. */
import { type FidelityEntry, isRefusal } from '../plan/fidelity.ts';
import type { DataPlaneKind } from '../spec/schema.ts';
import type { CutOverStep } from './cut-over.ts';
import type { Finding, Outcome } from './findings.ts';
import type { Imported } from './import-mesh.ts';
import type { SourceObject, UnreadableFile } from './objects.ts';

export interface ReportedObject {
  readonly file: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** `in-part`: some of it is in the spec, and some is not. */
  readonly became: 'imported' | 'in-part' | 'not-imported';
  readonly lines: readonly Omit<Finding, 'object'>[];
}

export interface ImportReport {
  readonly kind: 'Import';
  readonly mesh: string;
  readonly from: readonly DataPlaneKind[];
  readonly to: DataPlaneKind;
  readonly unreadable: readonly UnreadableFile[];
  readonly objects: readonly ReportedObject[];
  /** How requests are divided now, by service and version. */
  readonly traffic: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What the target says only nearly or not at all of the spec as it is written. */
  readonly changes: readonly ({ readonly service: string } & FidelityEntry)[];
  readonly cutOver: readonly CutOverStep[];
}

export function importReport(
  imported: Imported,
  about: Pick<ImportReport, 'to' | 'unreadable' | 'cutOver'> & {
    readonly fidelity: readonly { readonly service: string; readonly entries: readonly FidelityEntry[] }[];
  },
): ImportReport {
  const { to, unreadable, cutOver, fidelity } = about;
  const objects = [...Map.groupBy(imported.findings, ({ object }) => object)].map(([object, findings]) => reported(object, findings));
  const changes = fidelity.flatMap(({ service, entries }) =>
    entries.filter(({ judgement }) => judgement.kind !== 'exact').map((entry) => ({ service, ...entry })),
  );
  const traffic = Object.fromEntries(
    [...imported.traffic].map(([service, split]) => [service, Object.fromEntries(split.map(({ version, weight }) => [version, weight]))]),
  );
  return { kind: 'Import', mesh: imported.mesh.name, from: imported.from, to, unreadable, objects, traffic, changes, cutOver };
}

function reported({ file, kind, namespace, name }: SourceObject, findings: readonly Finding[]): ReportedObject {
  const taken = findings.some(({ outcome }) => outcome === 'imported' || outcome === 'approximated');
  const lost = findings.some(({ outcome }) => outcome === 'not-imported');
  const lines = findings.map(({ object: _, ...line }) => line);
  return { file, kind, namespace, name, became: taken ? (lost ? 'in-part' : 'imported') : 'not-imported', lines };
}

const TITLES: Readonly<Record<Outcome, string>> = {
  question: 'Asked: what the objects do not say',
  'not-imported': 'Not imported',
  approximated: 'Imported with another meaning',
  imported: 'Imported as it is',
};

export function reportText(report: ImportReport): string {
  const lines = report.objects.flatMap((object) => object.lines.map((line) => ({ object, line })));
  const alarming = lines.filter(({ line }) => line.security && line.outcome !== 'imported');
  const rest = lines.filter(({ line }) => !line.security || line.outcome === 'imported');
  const section = (title: string, texts: readonly string[]): readonly string[] =>
    texts.length === 0 ? [] : ['', `${title}:`, ...texts.map((text) => `  ${text}`)];
  const changes = report.changes.map((change) =>
    isRefusal(change)
      ? `${change.service} ${change.where}: REFUSED, ${change.judgement.sentence} [${change.judgement.code}]`
      : `${change.service} ${change.where}: ${change.judgement.kind === 'approximated' ? change.judgement.difference : ''}`,
  );
  const services = Object.keys(report.traffic).length;
  const was = report.from.length === 0 ? '' : ` from ${report.from.join(' and ')}`;
  return [
    `${report.objects.length} ${report.objects.length === 1 ? 'object' : 'objects'}${was} became ${services} ${services === 1 ? 'service' : 'services'} of the mesh ${report.mesh}.`,
    ...section(
      'Could not be read',
      report.unreadable.map(({ file, message }) => `${file}: ${message}`),
    ),
    ...section('SECURITY: who may call whom changes here, unless you see to it', alarming.map(lineText)),
    ...OUTCOMES_SHOWN.flatMap((outcome) =>
      section(TITLES[outcome], unique(rest.filter(({ line }) => line.outcome === outcome).map(lineText))),
    ),
    ...section(TITLES.imported, unique(importedTexts(report))),
    ...section(`What ${report.to} makes of it otherwise than the spec says`, changes),
    ...section(
      'Cutting over, in this order',
      report.cutOver.map(
        ({ step, services: named }, index) => `${index + 1}. ${step}${named.length === 0 ? '' : ` (${named.join(', ')})`}`,
      ),
    ),
  ].join('\n');
}

const OUTCOMES_SHOWN = ['question', 'not-imported', 'approximated'] as const;
const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)];
const nameOf = ({ kind, namespace, name }: ReportedObject): string => `${kind} ${namespace}/${name}`;

function lineText({ object, line }: { readonly object: ReportedObject; readonly line: ReportedObject['lines'][number] }): string {
  const into = line.service === undefined ? '' : ` → ${line.service}${line.into === undefined ? '' : ` ${line.into}`}`;
  return `${nameOf(object)}${line.field === undefined ? '' : ` ${line.field}`}${into}: ${line.message ?? ''}`;
}

function importedTexts(report: ImportReport): readonly string[] {
  return report.objects.flatMap((object) => {
    const taken = object.lines.filter(({ outcome }) => outcome === 'imported');
    const into = unique(
      taken.flatMap(({ service, into: field }) => (service === undefined ? [] : [`${service}${field === undefined ? '' : ` ${field}`}`])),
    );
    const notes = unique(taken.flatMap(({ message }) => message ?? []));
    return taken.length === 0
      ? []
      : [`${nameOf(object)}${into.length === 0 ? '' : ` → ${into.join(', ')}`}${notes.length === 0 ? '' : `: ${notes.join('; ')}`}`];
  });
}
