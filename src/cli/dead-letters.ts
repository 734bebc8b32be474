/** The command over what came and was not acted on: it lists, shows, and sends again. */
import { type Letter, lettersSchema, letterTextSchema, sentAgainSchema } from './answers.ts';
import type { Connection } from './connection.ts';
import { Failure } from './failure.ts';
import { instantText } from './status-text.ts';
import type { Terminal } from './terminal.ts';

export interface DeadLetterOptions {
  readonly json?: boolean;
  readonly send?: boolean;
}

/** @throws Failure when nothing could be done again with what was sent. */
export async function deadLetters(connection: Connection, terminal: Terminal, id: string | undefined, options: DeadLetterOptions) {
  if (id === undefined) {
    if (options.send) throw new Failure('Say which to send again: `meshwright dead-letters <id> --send`.');
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
  const { received } = await connection.post(`${path}/send`, undefined, sentAgainSchema);
  const said = received.flatMap((each) => (each.kind === 'answered' ? each.answers.map(({ message }) => message) : [each.message]));
  if (received.some(({ kind }) => kind === 'parked'))
    throw new Failure(`It was sent again, and still cannot be acted on: ${said.join(' ')}`);
  terminal.out(options.json ? JSON.stringify({ received }, null, 2) : said.join('\n'));
}

const lineOf = ({ id, at, where, reason, message }: Letter): string => `${instantText(at)}  ${where}  ${id}  ${reason}: ${message}`;
