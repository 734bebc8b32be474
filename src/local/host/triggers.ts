/**
 * What a registration asks of the host, read from its bindings: which of the four triggers this host runs, with its
 * options. Whatever it doesn't run (other triggers, extra inputs and outputs, retry policies) is refused when the host
 * starts, so that no app seems to work here with a part of it left out.
 */
import { z } from 'zod';
import type { RegisteredFunction } from './functions-core.ts';

const httpTrigger = z.object({
  type: z.literal('httpTrigger'),
  methods: z.array(z.string()).min(1),
  route: z.string().optional(),
  // Azure asks for a function key at `function` and `admin`. No keys exist here: the app authenticates its callers itself.
  authLevel: z.enum(['anonymous', 'function', 'admin']),
});
const eventGridTrigger = z.object({ type: z.literal('eventGridTrigger') });
const queueTrigger = z.object({ type: z.literal('queueTrigger'), queueName: z.string() });
const timerTrigger = z.object({
  type: z.literal('timerTrigger'),
  schedule: z.string(),
  runOnStartup: z.boolean().default(false),
  useMonitor: z.boolean().optional(),
});
const triggerSchema = z.discriminatedUnion('type', [httpTrigger, eventGridTrigger, queueTrigger, timerTrigger]);

export type Trigger = z.infer<typeof triggerSchema>;

/** A function this host can run; `T` narrows it to one trigger. */
export interface Runnable<T extends Trigger = Trigger> {
  readonly fn: RegisteredFunction;
  /** The name of the trigger's binding, under which its data is passed. */
  readonly input: string;
  readonly trigger: T;
}

/** @throws Error that names the function and what this host can't run of it. */
export function runnable(fn: RegisteredFunction): Runnable {
  let found: Runnable | undefined;
  for (const [name, binding] of Object.entries(fn.bindings)) {
    if (/trigger$/i.test(binding.type)) {
      const parsed = triggerSchema.safeParse(binding);
      if (!parsed.success) throw unsupported(fn, `its trigger ${binding.type} (${z.prettifyError(parsed.error)})`);
      found = { fn, input: name, trigger: parsed.data };
    } else if (!(name === '$return' && binding.type === 'http')) {
      throw unsupported(fn, `its binding "${name}" of type ${binding.type}`);
    }
  }
  if (!found) throw unsupported(fn, 'a function without a trigger');
  if (fn.retryOptions) throw unsupported(fn, 'its retry policy');
  return found;
}

/** The functions of one trigger, typed as such. */
export function withTrigger<K extends Trigger['type']>(
  functions: readonly Runnable[],
  type: K,
): readonly Runnable<Extract<Trigger, { type: K }>>[] {
  return functions.filter((candidate): candidate is Runnable<Extract<Trigger, { type: K }>> => candidate.trigger.type === type);
}

function unsupported(fn: RegisteredFunction, what: string): Error {
  return new Error(`The local host can't run function "${fn.name}": it doesn't know ${what}.`);
}
