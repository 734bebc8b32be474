/**
 * Words as the message a Teams workflow takes ("When a Teams webhook request is received"): one attachment that holds an
 * Adaptive Card 1.4 (https://adaptivecards.io/explorer/). Every text is a TextRun, because Teams reads a TextBlock or a Fact
 * as Markdown and its clients undo backslash escapes differently (MicrosoftDocs/msteams-docs#5793); runs are never Markdown.
 */
import type { Tone, Words } from './words.ts';

/** UTF-8. Teams is known to refuse messages from 21 KB on. */
export const MAX_MESSAGE_BYTES = 20 * 1024;

/** In UTF-16 units; each takes 3 bytes of JSON at most, see `plain`. */
const LONGEST = { title: 150, sentence: 1_000, name: 30, value: 200, id: 200, url: 1_000 } as const;
const MOST_FACTS = 8;

const STYLES: Readonly<Record<Tone, string>> = { good: 'good', info: 'accent', warning: 'warning', urgent: 'attention' };

export interface TeamsMessage {
  readonly type: 'message';
  readonly attachments: readonly [
    { readonly contentType: 'application/vnd.microsoft.card.adaptive'; readonly contentUrl: null; readonly content: AdaptiveCard },
  ];
}

interface AdaptiveCard {
  readonly $schema: string;
  readonly type: 'AdaptiveCard';
  readonly version: '1.4';
  readonly msteams: { readonly width: 'Full' };
  readonly body: readonly (Container | RichTextBlock)[];
  readonly actions?: readonly { readonly type: 'Action.OpenUrl'; readonly title: string; readonly url: string }[];
}
interface Container {
  readonly type: 'Container';
  readonly style: string;
  readonly bleed: true;
  readonly items: readonly RichTextBlock[];
}
interface RichTextBlock {
  readonly type: 'RichTextBlock';
  readonly spacing?: 'Small' | 'Medium';
  readonly inlines: readonly TextRun[];
}
interface TextRun {
  readonly type: 'TextRun';
  readonly text: string;
  readonly size?: 'Large' | 'Small';
  readonly weight?: 'Bolder';
  readonly isSubtle?: true;
}

/**
 * `id` is shown small below the facts. `pageUrl` is what the card's one button opens; without it, or where it is no address
 * of a web page that fits, there is no button. No card ever carries a Submit: nobody would receive it.
 */
export function teamsMessage(words: Words, { id, pageUrl }: { readonly id: string; readonly pageUrl?: string }): TeamsMessage {
  const url = pageUrl !== undefined && isPage(pageUrl) ? pageUrl : undefined;
  const content: AdaptiveCard = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    body: [
      {
        type: 'Container',
        style: STYLES[words.tone],
        bleed: true,
        items: [block([{ ...run(words.title, LONGEST.title), size: 'Large', weight: 'Bolder' }])],
      },
      block([run(words.sentence, LONGEST.sentence)], 'Medium'),
      ...words.facts.slice(0, MOST_FACTS).map(({ name, value }) => {
        const label: TextRun = { type: 'TextRun', text: `${plain(name, LONGEST.name)}: `, weight: 'Bolder' };
        return block([label, run(value, LONGEST.value)], 'Small');
      }),
      block([{ ...run(id, LONGEST.id), size: 'Small', isSubtle: true }], 'Medium'),
    ],
    ...(url === undefined ? {} : { actions: [{ type: 'Action.OpenUrl', title: 'Open the page', url }] }),
  };
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }] };
}

function block(inlines: readonly TextRun[], spacing?: 'Small' | 'Medium'): RichTextBlock {
  return { type: 'RichTextBlock', ...(spacing ? { spacing } : {}), inlines };
}

const run = (text: string, longest: number): TextRun => ({ type: 'TextRun', text: plain(text, longest) });

/**
 * One line of at most `longest` UTF-16 units, cut with an ellipsis and never inside a character. Control characters and lone
 * surrogates would take six bytes each, marks of direction could turn a sentence around, and `{{` begins a DATE or TIME
 * function also in a run.
 */
function plain(text: string, longest: number): string {
  const line = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]+/gu, ' ')
    .replace(/\{(?=\{)/g, '{ ')
    .trim();
  if (line.length <= longest) return line;
  return `${line.slice(0, longest - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

function isPage(url: string): boolean {
  return url.length <= LONGEST.url && /^https?:$/.test(URL.parse(url)?.protocol ?? '');
}
