/** What an alert saw, in one sentence for cards and the journal: metric, operator, threshold, value. */
import type { AlertCondition, AlertCriterion } from './alert-payload.ts';

const MAX_LENGTH = 500;

const OPERATORS: Readonly<Record<string, string>> = {
  equal: 'equal to',
  equals: 'equal to',
  greaterorlessthan: 'outside',
  greaterorequal: 'at least',
  greaterthan: 'above',
  greaterthanorequal: 'at least',
  lessorequal: 'at most',
  lessthan: 'below',
  lessthanorequal: 'at most',
  lowerthan: 'below',
  lowerthanorequal: 'at most',
  notequal: 'other than',
  notequals: 'other than',
};

export function alertSummary(rule: string, condition: 'fired' | 'resolved', seen: AlertCondition): string {
  const criteria = seen.criteria.flatMap((criterion) => wordCriterion(criterion, seen.conditionType, condition) ?? []);
  const what = criteria.length === 0 ? '' : `: ${criteria.join(' and ')}`;
  const over = seen.windowSize === undefined || criteria.length === 0 ? '' : ` over ${seen.windowSize}`;
  const sentence = `${rule} ${condition}${what}${over}`;
  return `${sentence.slice(0, MAX_LENGTH).toWellFormed()}.`;
}

function wordCriterion(criterion: AlertCriterion, conditionType: string, condition: 'fired' | 'resolved'): string | undefined {
  const { metric, aggregation, operator, threshold, value, webTest, sensitivity } = criterion;
  if (operator === undefined && value === undefined) return undefined;
  const name = metric ?? (/log/i.test(conditionType) ? 'the result of the query' : 'the metric');
  const of = aggregation === undefined ? name : `${aggregation} of ${name}`;
  const subject = webTest === undefined ? of : `${of} of web test ${webTest}`;
  const was = value === undefined ? subject : `${subject} was ${value}`;
  const learned = sensitivity !== undefined || /dynamic/i.test(conditionType);
  // The threshold of a dynamic criterion is a bound of the moment, learned by Azure Monitor and set by nobody.
  const bound = learned ? `the learned bound ${threshold ?? ''}`.trim() : threshold;
  if (operator === undefined || bound === undefined) return was;
  const relation = OPERATORS[operator.toLowerCase().replace(/[^a-z]/g, '')] ?? operator;
  const compared = condition === 'fired' ? relation : `no longer ${relation}`;
  return value === undefined ? `${subject} ${compared} ${bound}` : `${was}, ${compared} ${bound}`;
}
