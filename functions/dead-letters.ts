/** HTTP: what came and was not acted on, wherever it lies: listed with the reason, shown, and sent again. */
import { json, problem } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

const { reason, message } = ROUTES.deadLetter.unknown;
const unknownLetter = () => problem(404, reason, message);

serve(ROUTES.deadLetters, async ({ app }) => json(200, await app.deadLetters.list()));

serve(ROUTES.deadLetter, async ({ app, params: { id } }) => {
  const letter = await app.deadLetters.read(id);
  return letter ? json(200, { id, ...letter }) : unknownLetter();
});

serve(ROUTES.sendAgain, async ({ app, caller, params: { id } }) => {
  const sent = await app.deadLetters.sendAgain(id, caller.actor);
  if (!sent) return unknownLetter();
  return sent.kind === 'refused' ? problem(409, sent.reason, sent.message) : json(200, { received: sent.received });
});
