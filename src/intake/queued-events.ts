/**
 * Events as Event Grid puts them on a storage queue, where it may not come in by the front door: one message an event, its JSON in
 * base64 (https://learn.microsoft.com/azure/event-grid/handler-storage-queues). Whoever puts one there by hand may leave the
 * base64 out, and may put several into one message as a list.
 */

/** What the message holds, parsed; the text as it is where that is no JSON, to be refused like any other. `message`: text, or parsed JSON. */
export function eventsOf(message: unknown): readonly unknown[] {
  const held =
    typeof message === 'string' ? (parsed(message) ?? parsed(Buffer.from(message, 'base64').toString('utf8')) ?? message) : message;
  return Array.isArray(held) ? held : [held];
}

/** `undefined`: it is not the JSON of an object or a list. */
function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
