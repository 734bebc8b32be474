/** `meshwright shadow`: what a service that only looks would have refused, by data plane, caller and proxy. */
import { span } from '../notifications/standing-words.ts';
import { type DryRun, shadowSchema } from './answers.ts';
import type { Connection } from './connection.ts';
import { Failure } from './failure.ts';
import { findService, pathOf } from './reading.ts';
import type { Terminal } from './terminal.ts';

export interface ShadowOptions {
  readonly json?: boolean;
  readonly mesh?: string;
}

/** @throws Failure 4 where something keeps the service from becoming strict. */
export async function showShadow(
  connection: Connection,
  terminal: Terminal,
  service: string,
  { json, mesh }: ShadowOptions,
): Promise<void> {
  const status = await findService(connection, service, mesh);
  const answer = await connection.post(`${pathOf(status)}/shadow`, {}, shadowSchema);
  const { now, shadow } = answer;
  if (json) terminal.out(JSON.stringify(answer, null, 2));
  else
    terminal.out(shadow.length === 0 ? `${service} is not in \`mtls: shadow\`.` : shadow.flatMap((each) => linesOf(each, now)).join('\n'));
  const against = shadow.flatMap((each) => each.against ?? []);
  if (against.length > 0) throw new Failure(against.join('\n'), { exitCode: 4 });
}

function linesOf({ dataPlane, since, refused, proxies, callers, unseen }: DryRun, now: number): readonly string[] {
  const counts = `would have refused ${refused} in ${span(now - since)}`;
  const refusing = Map.groupBy(
    proxies.filter((proxy) => proxy.refused > 0),
    ({ proxy }) => proxy,
  );
  const others = refused - sumOf(callers);
  const line = (what: string, count: number, lastAt: number): string => `  ${what}  ${count}, last seen ${span(now - lastAt)} ago`;
  return [
    `${dataPlane}  ${unseen === undefined ? counts : `${counts}, and is not seen now: ${unseen}`}`,
    ...callers.map((each) => line(`called by ${each.caller}`, each.refused, each.lastAt)),
    ...(callers.length > 0 && others > 0 ? [`  called by others  ${others}`] : []),
    ...[...refusing].map(([proxy, all]) => line(proxy, sumOf(all), Math.max(...all.map(({ lastAt = since }) => lastAt)))),
  ];
}

const sumOf = (all: readonly { readonly refused: number }[]): number => all.reduce((sum, { refused }) => sum + refused, 0);
