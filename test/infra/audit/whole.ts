/** The whole audit of one deployment: everything that is not as the code needs it, one sentence each. */
import type { Deployed } from '../bicep/deployment.ts';
import type { ValueObject } from '../bicep/values.ts';
import type { CodeFacts } from '../code-facts.ts';
import { auditAlerts } from './alerts.ts';
import { Audit } from './audit.ts';
import { auditEvents } from './events.ts';
import { auditHost } from './host.ts';
import { auditNetwork } from './network.ts';
import { auditRoles } from './roles.ts';
import { auditState } from './state.ts';

export function problemsOf(resources: readonly Deployed[], facts: CodeFacts, parameters: ValueObject): readonly string[] {
  const audit = new Audit(resources, facts, parameters);
  const host = auditHost(audit);
  const state = auditState(audit, host);
  const events = auditEvents(audit, host, state);
  auditAlerts(audit, host, state);
  auditNetwork(audit, host, state, events);
  auditRoles(audit, host, state, events);
  return audit.problems();
}
