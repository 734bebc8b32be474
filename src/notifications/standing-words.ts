/**
 * Where a rollout stands, in the few words of a status line: for the CLI and the page. The page gets `span` as source text and
 * `DEADLINE_WORDS` as data, so `span` uses nothing outside itself.
 */
import type { DeadlineName } from '../rollouts/commands.ts';

/** What happens at a deadline if nothing else happens before; `then` is followed by `in 42 s`. */
export const DEADLINE_WORDS: { readonly [Name in DeadlineName]: string } = {
  start: 'is given up',
  hold: 'goes on',
  step: 'goes back',
  pause: 'goes back',
  blocked: 'people are told again',
  return: 'people are told again',
};

/** A length of time as a person says it: `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d`. Never negative. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 10 && seconds % 60 > 0) return `${minutes} min ${seconds % 60} s`;
  if (minutes < 60) return `${minutes} min`;
  if (hours < 48) return minutes % 60 > 0 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}
