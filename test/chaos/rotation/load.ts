/** A steady load between all workloads of a fleet: every caller calls every service in turn, each request over connections of its own. */
import { ask } from '../../e2e/traffic.ts';
import { SERVICES, type Workload } from './fleet.ts';

export interface Load {
  readonly requests: number;
  /** What was not answered by a workload, with when (ms since it began) and who called whom. */
  readonly lost: readonly string[];
  /** Resolves once the last answer is there. */
  stop(): Promise<void>;
}

export function startLoad(workloads: readonly Workload[], perSecond: number): Load {
  const began = performance.now();
  const lost: string[] = [];
  const open = new Set<Promise<void>>();
  const ways = workloads.flatMap((caller) => SERVICES.map((service) => ({ caller, service })));
  let requests = 0;
  let next = 0;
  const timer = setInterval(() => {
    const way = ways[next % ways.length];
    next += 1;
    if (!way) return;
    const at = Math.round(performance.now() - began);
    const asked: Promise<void> = ask({ port: way.caller.outbound, host: `${way.service}.shop` }).then((outcome) => {
      requests += 1;
      if ('failure' in outcome) lost.push(`${at} ms: ${way.caller.node} -> ${way.service}: ${outcome.failure}`);
      open.delete(asked);
    });
    open.add(asked);
  }, 1_000 / perSecond);
  return {
    get requests() {
      return requests;
    },
    lost,
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
    },
  };
}
