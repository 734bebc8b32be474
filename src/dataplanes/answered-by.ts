/** A question for which there is time until a signal says that there is none: it ends by then, whatever becomes of what was asked. */

/** Rejects with what `late` makes once `until` is over, and asks nothing any more; what was asked may still be done. */
export function answeredBy<Answer>(until: AbortSignal, question: () => Promise<Answer>, late: () => Error): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(late());
    if (until.aborted) return end();
    until.addEventListener('abort', end, { once: true });
    const asked = (answer: () => void): void => {
      until.removeEventListener('abort', end);
      answer();
    };
    question().then(
      (answer) => asked(() => resolve(answer)),
      (error: unknown) => asked(() => reject(error)),
    );
  });
}
