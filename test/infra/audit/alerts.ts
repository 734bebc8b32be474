/** Who is told: people by rules that name functions and fields that there are, and meshwright by a webhook that shows a token. */
import type { Deployed } from '../bicep/deployment.ts';
import { listAt, textAt, valueAt } from '../bicep/values.ts';
import type { Audit } from './audit.ts';
import type { Host } from './host.ts';
import type { State } from './state.ts';

/** What has to be watched, and what of the code a rule for it has to name. */
const WATCHED: Readonly<Record<string, RegExp>> = {
  'sweep-is-silent': /OperationName == "sweep"/,
  'functions-fail': /Success == false/,
  'alerts-are-slow': /percentile\(DurationMs/,
  'certificate-ends-soon': /measured\.certificateEndsInSeconds/,
  'streams-are-stuck': /measured\.stuckForSeconds/,
};

export function auditAlerts(audit: Audit, host: Host, { workspace }: State): void {
  const groups = audit.every({ type: 'Microsoft.Insights/actionGroups' });
  const people = groups.find(({ symbol }) => symbol === 'people');
  const emails = listAt(people?.body, 'properties', 'emailReceivers').map((each) => textAt(each, 'emailAddress'));
  audit.expect(people !== undefined, 'nobody is told when meshwright is not well');
  audit.equal(emails, listAt(audit.parameters, 'alertEmails'), 'who is told by mail');
  const rules = audit.every({ type: 'Microsoft.Insights/scheduledQueryRules' });
  for (const [name, says] of Object.entries(WATCHED)) {
    const rule = rules.find((each) => each.name.startsWith(name));
    audit.expect(rule !== undefined && says.test(queryOf(rule)), `nothing watches ${name}`);
  }
  audit.expect(rules.length === Object.keys(WATCHED).length, 'there are rules that nothing is said of');
  for (const rule of rules) {
    audit.equal(valueAt(rule.body, 'properties', 'actions', 'actionGroups'), [people?.id], `who is told by ${rule.name}`);
    audit.equal(valueAt(rule.body, 'properties', 'scopes'), [workspace?.id], `what ${rule.name} looks at`);
    audit.equal(valueAt(rule.body, 'properties', 'enabled'), audit.parameters.functionsDeployed === true, `whether ${rule.name} looks`);
    auditQuery(audit, queryOf(rule), host);
  }
  // The beats are requests: a sampled heart beats too seldom.
  audit.expect(audit.facts.unsampled.includes('Request'), 'host.json samples requests, which the dead-man counts');
  const webhook = groups.find(({ symbol }) => symbol === 'meshwright');
  audit.expect(
    (webhook !== undefined) === (textAt(audit.parameters, 'entraClientId') !== ''),
    'alerts of services reach nobody, or without a token',
  );
  if (webhook) auditWebhook(audit, webhook, host);
}

const queryOf = ({ body }: Deployed): string => textAt(body, 'properties', 'criteria', 'allOf', 0, 'query');

function auditQuery(audit: Audit, query: string, { app }: Host): void {
  const { triggers, measuredFields } = audit.facts;
  audit.expect(query.includes(`AppRoleName =~ "${app?.name}"`), `a rule looks at something else than the functions: ${query}`);
  const [, names = ''] = /OperationName (?:==|in) ([^|]*)/.exec(query) ?? [];
  for (const [, name] of names.matchAll(/"(\w+)"/g))
    audit.expect(
      triggers.some((trigger) => trigger.function === name),
      `a rule counts calls of ${name}, which is no function`,
    );
  for (const [, field = ''] of query.matchAll(/\bmeasured\.(\w+)/g))
    audit.expect(measuredFields.includes(field), `a rule reads ${field}, which is not measured`);
}

function auditWebhook(audit: Audit, group: Deployed, { app }: Host): void {
  const [receiver] = listAt(group.body, 'properties', 'webhookReceivers');
  const [host, route] = textAt(receiver, 'serviceUri').split(/(?<=[^/])\/(?=[^/])/);
  audit.equal(host, `https://${app?.name}.azurewebsites.net`, 'where alerts are sent');
  const taken = audit.facts.triggers.some((trigger) => trigger.route === route && trigger.methods?.includes('POST'));
  audit.expect(taken, `alerts are sent to ${route}, which is no route that takes them`);
  audit.equal(valueAt(receiver, 'useAadAuth'), true, 'the token of the webhook');
  audit.equal(valueAt(receiver, 'useCommonAlertSchema'), true, 'the common alert schema');
  audit.equal(valueAt(receiver, 'objectId'), audit.parameters.entraObjectId, 'whom the webhook asks for a token of');
}
