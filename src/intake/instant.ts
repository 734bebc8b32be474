/**
 * Points in time as Azure's payloads spell them, as epoch milliseconds: RFC 3339 with any number of digits after the second
 * (cut to milliseconds; no zone means UTC), and the US form of legacy log alerts (`3/22/2019 1:36:31 PM`, UTC).
 */
import { z } from 'zod';

const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,3})?\d*([Zz]|[+-]\d{2}:\d{2})?$/;
const US = /^(\d{1,2})\/(\d{1,2})\/(\d{4}) (\d{1,2}):(\d{2}):(\d{2}) ([AP])M$/;

/** Undefined when `text` is neither. */
export function readInstant(text: string): number | undefined {
  if (text.length > 64) return undefined;
  const iso = RFC_3339.exec(text);
  if (iso !== null) return valid(Date.parse(`${iso[1]}T${iso[2]}${iso[3] ?? ''}${(iso[4] ?? 'Z').toUpperCase()}`));
  const us = US.exec(text);
  if (us === null) return undefined;
  const [month, day, year, hour, minute, second] = us.slice(1, 7).map(Number);
  if (month === undefined || day === undefined || year === undefined || hour === undefined) return undefined;
  if (month > 12 || day > 31 || hour < 1 || hour > 12) return undefined;
  return valid(Date.UTC(year, month - 1, day, (hour % 12) + (us[7] === 'P' ? 12 : 0), minute, second));
}

function valid(time: number): number | undefined {
  return Number.isNaN(time) ? undefined : time;
}

/** A field that must be such a time; gives epoch milliseconds. */
export const instantSchema = z.string().transform((text, context) => {
  const time = readInstant(text);
  if (time !== undefined) return time;
  context.addIssue({ code: 'custom', message: 'give a time such as 2026-11-22T14:03:00Z' });
  return z.NEVER;
});
