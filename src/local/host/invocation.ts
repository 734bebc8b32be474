/**
 * One invocation, driven as Azure's Node worker drives it: arguments from the programming model, pre-invocation hooks
 * (which may replace inputs and function), the function, post-invocation hooks (which may replace result and error),
 * the response. Keeps count of what runs, for a graceful stop.
 */
import { randomUUID } from 'node:crypto';
import type { CoreInvocationContext, FunctionApp, FunctionCallback, HookName, TypedData } from './functions-core.ts';
import type { Runnable } from './triggers.ts';

export interface Invocations {
  /**
   * Resolves to the library's `RpcInvocationResponse`, not yet parsed. Rejects with what the function or a hook threw,
   * after logging it with its stack.
   */
  run(runnable: Runnable, data: TypedData, triggerMetadata?: Readonly<Record<string, TypedData>>): Promise<unknown>;
  /** The functions that are running, one name an invocation. */
  running(): readonly string[];
  /** Resolves as soon as nothing runs. */
  idle(): Promise<void>;
}

export function createInvocations(app: FunctionApp): Invocations {
  const running = new Map<string, string>();
  let waiting: (() => void)[] = [];

  return {
    async run(runnable, data, triggerMetadata = {}) {
      const invocationId = randomUUID();
      const functionName = runnable.fn.name;
      running.set(invocationId, functionName);
      try {
        return await invoke(app, runnable, invocationId, data, triggerMetadata);
      } catch (error) {
        const message = `Function "${functionName}" failed: ${error instanceof Error ? error.stack : String(error)}`;
        app.log({ level: 'error', category: 'system', functionName, invocationId, message });
        throw error;
      } finally {
        running.delete(invocationId);
        if (running.size === 0) {
          for (const resolve of waiting) resolve();
          waiting = [];
        }
      }
    },
    running: () => [...running.values()],
    idle: () => (running.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

async function invoke(
  app: FunctionApp,
  { fn, input }: Runnable,
  invocationId: string,
  data: TypedData,
  triggerMetadata: Readonly<Record<string, TypedData>>,
): Promise<unknown> {
  const hookData: Record<string, unknown> = {};
  let invocationContext: unknown;
  const core: CoreInvocationContext = {
    invocationId,
    request: { invocationId, inputData: [{ name: input, data }], triggerMetadata },
    metadata: { name: fn.name, bindings: fn.bindings },
    state: undefined,
    log: (level, category, message) =>
      app.log({ level, category, message, functionName: fn.name, invocationId }, { context: invocationContext, hookData }),
  };
  const model = app.programmingModel().getInvocationModel(core);
  const { context, inputs } = await model.getArguments();
  invocationContext = context;

  const before: { hookData: object; invocationContext: unknown; inputs: unknown[]; functionCallback: FunctionCallback } = {
    hookData,
    invocationContext: context,
    inputs,
    functionCallback: fn.callback,
  };
  core.state = 'preInvocationHooks';
  await runHooks(app, 'preInvocation', before);

  const after: { hookData: object; invocationContext: unknown; inputs: unknown[]; result: unknown; error: unknown } = {
    hookData,
    invocationContext: context,
    inputs: before.inputs,
    result: null,
    error: null,
  };
  core.state = 'invocation';
  try {
    after.result = await model.invokeFunction(context, before.inputs, before.functionCallback);
  } catch (error) {
    after.error = error ?? new Error(`It threw ${error}.`);
  }
  core.state = 'postInvocationHooks';
  await runHooks(app, 'postInvocation', after);
  core.state = undefined;

  // A hook may have cleared the error (then its result counts) or replaced it.
  if (after.error !== null && after.error !== undefined) throw after.error;
  return model.getResponse(context, after.result);
}

/** Runs the hooks of one name in the order they were registered; the first that throws ends it, as on Azure. */
export async function runHooks(app: FunctionApp, name: HookName, context: object): Promise<void> {
  for (const hook of app.hooks(name)) await hook(context);
}
