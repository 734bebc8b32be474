/** The command over what came and was not acted on: it lists, shows, and sends again. */
import { type Letter, lettersSchema, letterTextSchema, sentAgainSchema } from './answers.ts';
import { type Connection, NobodyAnswers } from './connection.ts';
import { Failure } from './failure.ts';
import { instantText } from './status-text.ts';
import type { Terminal } from './terminal.ts';

export interface DeadLetterOptions {
  readonly json?: boolean;
  readonly send?: boolean;
  /** With `send`, and no id. */
  readonly all?: boolean;
}

/** @throws Failure when nothing could be done again with what was sent. */
export async function deadLetters(connection: Connection, terminal: Terminal, id: string | undefined, options: DeadLetterOptions) {
  if (id === undefined) {
    if (options.send && options.all) return sendAll(connection, terminal);
    if (options.send) throw new Failure('Say which to send again: `meshwright dead-letters <id> --send`, or all of them: `--send --all`.');
    const { letters, unseen } = await connection.get('dead-letters', lettersSchema);
    if (options.json) terminal.out(JSON.stringify({ letters, unseen }, null, 2));
    else terminal.out(letters.length === 0 ? 'There is nothing that was not acted on.' : letters.map(lineOf).join('\n'));
    const [first, ...others] = unseen.map(({ where, message }) => `${where} could not be looked into: ${message}`);
    if (first !== undefined) throw new Failure(first, { details: others });
    return;
  }
  const path = `dead-letters/${encodeURIComponent(id)}`;
  if (!options.send) {
    const letter = await connection.get(path, letterTextSchema);
    terminal.out(options.json ? JSON.stringify(letter, null, 2) : letter.text);
    return;
  }
  const { received, said } = await sendAgain(connection, id);
  terminal.out(options.json ? JSON.stringify({ received }, null, 2) : said.join('\n'));
}

/** @throws Failure when nothing could be done with it again, or it is not there any more. */
async function sendAgain(connection: Connection, id: string) {
  const { received } = await connection.post(`dead-letters/${encodeURIComponent(id)}/send`, undefined, sentAgainSchema);
  const said = received.flatMap((each) => (each.kind === 'answered' ? each.answers.map(({ message }) => message) : [each.message]));
  if (received.some(({ kind }) => kind === 'parked'))
    throw new Failure(`It was sent again, and still cannot be acted on: ${said.join(' ')}`);
  return { received, said };
}

/** Each once, the oldest first, and what comes into sight when others are gone. @throws Failure with those that are left, and why. */
async function sendAll(connection: Connection, terminal: Terminal): Promise<void> {
  const sent = new Set<string>();
  const left: string[] = [];
  for (;;) {
    const { letters } = await connection.get('dead-letters', lettersSchema);
    const fresh = letters.filter(({ id }) => !sent.has(id)).toReversed();
    if (fresh.length === 0) break;
    for (const { id, where } of fresh) {
      sent.add(id);
      try {
        terminal.out(`${where}  ${id}  ${(await sendAgain(connection, id)).said.join(' ')}`);
      } catch (error) {
        if (!(error instanceof Failure) || error instanceof NobodyAnswers) throw error;
        left.push(`${where}  ${id}  ${error.message}`);
      }
    }
  }
  if (left.length > 0) throw new Failure(`${left.length} of ${sent.size} could not be acted on:`, { details: left });
  if (sent.size === 0) terminal.out('There is nothing that was not acted on.');
}

const lineOf = ({ id, at, where, reason, message }: Letter): string => `${instantText(at)}  ${where}  ${id}  ${reason}: ${message}`;
