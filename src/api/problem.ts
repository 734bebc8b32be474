/** How HTTP is answered: JSON, or RFC 9457 problem details that carry the refusal's own reason. */

import type { Answer } from '../journal/stream.ts';
import type { Received } from '../receive.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export const json = (status: number, content: unknown): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
  body: JSON.stringify(content),
});

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  413: 'Content Too Large',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** `detail` is one sentence that says what to do; `more` is added to the document. */
export function problem(status: number, reason: string, detail: string, more: Readonly<Record<string, unknown>> = {}): HttpAnswer {
  const body = { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail, reason, ...more };
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
    body: JSON.stringify(body),
  };
}

export const noCertificates = (mesh: string): HttpAnswer =>
  problem(404, 'NoCertificates', `No adopted spec of a mesh ${mesh} has \`certificates\`.`);

export const unknownService = (mesh: string, service: string): HttpAnswer =>
  problem(404, 'UnknownService', `No adopted spec names ${service} in ${mesh}.`);

export const specRefused = (problems: readonly object[]): HttpAnswer =>
  problem(422, 'SpecRefused', 'Nothing was changed; mend what "problems" lists and apply again.', { problems });

/** 200 with what was answered, 409 where it was refused. */
export const answered = (answer: Answer): HttpAnswer =>
  answer.outcome === 'refused' ? problem(409, answer.reason, answer.message, { answer }) : json(200, answer);

/** What people and Azure Monitor are told of a delivery. A refusal is an answer too: it was taken in and recorded. */
export function received(outcome: Received): HttpAnswer {
  if (outcome.kind === 'parked') return problem(422, outcome.reason, outcome.message, { parked: outcome.id });
  if (outcome.kind === 'answered' && outcome.answers.every((answer) => answer.outcome === 'refused')) {
    const [first] = outcome.answers;
    if (first?.outcome === 'refused') return problem(409, first.reason, first.message, { answers: outcome.answers });
  }
  return json(202, outcome);
}
