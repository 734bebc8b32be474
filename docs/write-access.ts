/**
 * Writes the table of routes in `docs/access.md`, between its two marks, from the routes themselves: `npm run docs:access`. A test fails when
 * it is not what the code does.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { doorRolesOf, roleText } from '../src/api/access.ts';
import type { Access } from '../src/api/route.ts';
import { ROUTES } from '../src/api/routes.ts';

const PAGE = join(import.meta.dirname, 'access.md');
const BEGIN = '<!-- routes: written by `npm run docs:access`; do not edit -->';
const END = '<!-- end of routes -->';

/** The page with its table as the routes are now. */
export function accessPage(page: string): string {
  const [before, , after] = page.split(new RegExp(`${escaped(BEGIN)}|${escaped(END)}`));
  if (before === undefined || after === undefined) throw new Error('docs/access.md has lost the marks that its table is between.');
  return `${before}${BEGIN}\n\n${table()}\n\n${END}${after}`;
}

function table(): string {
  const rows = Object.values(ROUTES).map(
    ({ method, path, summary, access }) => `| ${method} | \`/${shownPath(path)}\` | ${roleOf(access)} | ${summary} |`,
  );
  return ['| | | Needs | |', '|---|---|---|---|', ...rows].join('\n');
}

/** Of a template without its constraints, and without parameters that may be left out. */
const shownPath = (path: string): string => path.replaceAll(/\{\w+:[^{}]*\?\}/g, '');

function roleOf(access: Access): string {
  if (access.kind === 'open') return `nothing. ${access.because}`;
  const { role, within, door } = access;
  const needed = { role, mesh: '{mesh}', team: '{team}' };
  const doors =
    door === undefined
      ? ''
      : `, ${doorRolesOf(door)
          .map((name) => `\`${name}\``)
          .join(', ')} or a key of \`${door}\``;
  switch (within) {
    case 'installation':
      return `\`${role}\`${doors}`;
    case 'mesh':
      return `\`${roleText({ role, mesh: '{mesh}' })}\``;
    case 'service':
      return `\`${roleText(needed)}\`, the team being the service's`;
    case 'asked':
      return `\`${role}\`, or narrowed to what the request names`;
    case 'shown':
      return `\`${role}\`, however narrow: shown is what the caller may see`;
  }
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, accessPage(readFileSync(PAGE, 'utf8')));
