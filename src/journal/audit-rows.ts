/**
 * Rows of the audit log: one a commit, with what an auditor asks for, and the hashes by which a row leads to its commit. Of whatever length the commit
 * is, a row is small. The columns are those of the table in `infra/observability.bicep`.
 */
import type { JsonObject } from './documents.ts';
import { type Commit, commitBodySchema } from './stream.ts';

export interface AuditRow {
  /** ISO 8601. Log Analytics puts the time of its receipt here where this is more than two days ago: hence `CommittedAt`. */
  readonly TimeGenerated: string;
  readonly CommittedAt: string;
  readonly Stream: string;
  readonly Version: number;
  readonly DeliveryId: string;
  readonly Actor: string;
  /** The types of its events. */
  readonly Events: readonly string[];
  readonly Message: string;
  readonly Evidence: Commit['evidence'] | null;
  readonly PreviousHash: string;
  readonly Hash: string;
}

/** Where rows go. Adapter: `src/adapters/audit-ingestion.ts`. */
export interface AuditLog {
  /** All of them, `MOST_BYTES` at most, or it throws; then some may be there. */
  send(rows: readonly AuditRow[]): Promise<void>;
}

/** Of one request, as JSON: the Logs Ingestion API takes 1 MB. */
export const MOST_BYTES = 900_000;
const MOST_LETTERS = 1_000;
const MOST_EVENTS = 100;
const MOST_FIELDS = 30;

const trimmed = (text: string): string => (text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}…` : text);

/** `stored`: a commit, as the journal has it. */
export function auditRow(stream: string, stored: JsonObject): AuditRow {
  const { version, at, deliveryId, actor, evidence, events, message, prevHash, hash } = commitBodySchema.parse(stored);
  const time = new Date(at).toISOString();
  return {
    TimeGenerated: time,
    CommittedAt: time,
    Stream: stream,
    Version: version,
    DeliveryId: trimmed(deliveryId),
    Actor: trimmed(actor),
    Events: events.slice(0, MOST_EVENTS).map(({ type }) => trimmed(type)),
    Message: trimmed(message),
    Evidence: evidence ? trimmedFields(evidence) : null,
    PreviousHash: prevHash,
    Hash: hash,
  };
}

const trimmedFields = (evidence: NonNullable<Commit['evidence']>): NonNullable<Commit['evidence']> =>
  Object.fromEntries(
    Object.entries(evidence)
      .slice(0, MOST_FIELDS)
      .map(([name, value]) => [trimmed(name), typeof value === 'string' ? trimmed(value) : value]),
  );
