/** Metrics in Prometheus' text exposition format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). Pure. */

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface Gauge {
  /** `[a-z_]+`, in base units. */
  readonly name: string;
  readonly help: string;
  /** No two with the same labels. */
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export const exposition = (gauges: readonly Gauge[]): string => gauges.map(family).join('');

function family({ name, help, samples }: Gauge): string {
  const lines = samples.map(({ labels, value }) => `${name}${labelled(labels)} ${written(value)}\n`);
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} gauge\n${lines.join('')}`;
}

function labelled(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

const written = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
