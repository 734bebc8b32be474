/**
 * The module `@azure/functions-core`, which exists only inside a Functions worker: the library asks for it with
 * `require` at the first `app.*` call and hands every registration to it. This file provides it, the way Azure's own
 * Node worker does (it intercepts `Module.prototype.require`), and keeps what was registered. The library remembers the
 * module for the life of the process, so there is one app a process, as on Azure.
 */
import assert from 'node:assert/strict';
import Module from 'node:module';
import { z } from 'zod';

export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type LogCategory = 'user' | 'system' | 'customMetric';

export interface LogEntry {
  readonly level: LogLevel;
  readonly category: LogCategory;
  readonly message: string;
  readonly functionName?: string;
  readonly invocationId?: string;
}

export type LogSink = (entry: LogEntry) => void;

/** What the worker's gRPC contract calls `TypedData`; only the cases this host sends. */
export type TypedData =
  | { readonly string: string }
  | { readonly json: string }
  | { readonly int: number }
  | {
      readonly http: {
        readonly method: string;
        readonly url: string;
        readonly headers: Readonly<Record<string, string>>;
        readonly query: Readonly<Record<string, string>>;
        readonly params: Readonly<Record<string, string>>;
        readonly body?: { readonly bytes: Uint8Array };
      };
    };

export type FunctionCallback = (...args: unknown[]) => unknown;
export type HookCallback = (context: unknown) => unknown;

/** One invocation as the library sees it; `state` is set by the host while it runs hooks and the function. */
export interface CoreInvocationContext {
  readonly invocationId: string;
  readonly request: {
    readonly invocationId: string;
    readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
    readonly triggerMetadata: Readonly<Record<string, TypedData>>;
  };
  readonly metadata: { readonly name: string; readonly bindings: Readonly<Record<string, Binding>> };
  state: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks' | undefined;
  log(level: LogLevel, category: LogCategory, message: string): void;
}

export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<unknown>;
}

export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel;
}

const bindingSchema = z.looseObject({ type: z.string(), direction: z.enum(['in', 'out', 'inout']) });
const metadataSchema = z.object({
  name: z.string().min(1),
  bindings: z.record(z.string(), bindingSchema),
  retryOptions: z.looseObject({}).optional(),
});

export type Binding = z.infer<typeof bindingSchema>;

/** A function as its app registered it, with the code to call. */
export interface RegisteredFunction extends z.infer<typeof metadataSchema> {
  readonly callback: FunctionCallback;
}

const HOOK_NAMES = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;
export type HookName = (typeof HOOK_NAMES)[number];

/** The app of this process: what it registered, and the way its log entries go. */
export interface FunctionApp {
  readonly functions: readonly RegisteredFunction[];
  hooks(name: HookName): readonly HookCallback[];
  /** Throws when nothing was registered through `@azure/functions` v4. */
  programmingModel(): ProgrammingModel;
  /** Passes an entry through the app's log hooks to the sink. */
  log(entry: LogEntry, invocation?: { readonly context: unknown; readonly hookData: Record<string, unknown> }): void;
  /** From now on a registration throws: Azure indexes an app once, when it has been loaded. */
  close(): void;
}

class Disposable {
  readonly #release: () => void;
  constructor(release: () => void) {
    this.#release = release;
  }
  dispose(): void {
    this.#release();
  }
}

/** What the app of this process has registered, filled through the module that `coreModule` makes. */
class RegisteredApp implements FunctionApp {
  readonly byName = new Map<string, RegisteredFunction>();
  readonly #hooks = new Map<HookName, HookCallback[]>(HOOK_NAMES.map((name) => [name, []]));
  readonly #sink: LogSink;
  model: ProgrammingModel | undefined;
  isClosed = false;

  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  get functions(): readonly RegisteredFunction[] {
    return [...this.byName.values()];
  }

  hooks(name: HookName): HookCallback[] {
    const hooks = this.#hooks.get(name);
    assert(hooks);
    return hooks;
  }

  programmingModel(): ProgrammingModel {
    if (!this.model) throw new Error('The app has not registered a function through @azure/functions v4.');
    return this.model;
  }

  log: FunctionApp['log'] = (entry, invocation) => {
    const context = {
      level: entry.level,
      message: entry.message,
      category: entry.category,
      hookData: invocation?.hookData ?? {},
      invocationContext: invocation?.context,
    };
    for (const hook of this.hooks('log')) hook(context);
    this.#sink({ ...entry, level: context.level, message: context.message });
  };

  close(): void {
    this.isClosed = true;
  }
}

function coreModule(app: RegisteredApp) {
  const assertOpen = (name: string) => {
    if (app.isClosed)
      throw new Error(`Function "${name}" can't be registered or removed any more, only while the app's files are being loaded.`);
  };
  return {
    version: '3.0.0-meshwright',
    hostVersion: '4.0.0-meshwright',
    Disposable,
    registerFunction(metadata: unknown, callback: FunctionCallback): Disposable {
      const parsed = metadataSchema.parse(metadata);
      const { name } = parsed;
      assertOpen(name);
      if (app.byName.has(name)) throw new Error(`A function named "${name}" is registered already; function names are unique in an app.`);
      app.byName.set(name, { ...parsed, callback });
      return new Disposable(() => {
        assertOpen(name);
        app.byName.delete(name);
      });
    },
    registerHook(name: string, callback: HookCallback): Disposable {
      const known = HOOK_NAMES.find((hook) => hook === name);
      if (!known) throw new RangeError(`There is no hook "${name}"; the hooks are ${HOOK_NAMES.join(', ')}.`);
      const callbacks = app.hooks(known);
      callbacks.push(callback);
      return new Disposable(() => {
        const index = callbacks.indexOf(callback);
        if (index >= 0) callbacks.splice(index, 1);
      });
    },
    setProgrammingModel(model: ProgrammingModel): void {
      app.model = model;
    },
    getProgrammingModel: () => app.model,
    log: (level: LogLevel, category: LogCategory, message: string) => app.log({ level, category, message }),
  };
}

let provided = false;

/**
 * Makes `require('@azure/functions-core')` answer in this process and returns the app that registrations go to.
 * Call it before any code that registers functions is loaded. Throws when it was called before.
 */
export function provideFunctionsCore(sink: LogSink): FunctionApp {
  if (provided) throw new Error('This process has loaded a function app already; start another process for another app.');
  provided = true;
  const app = new RegisteredApp(sink);
  const core = coreModule(app);
  Module.prototype.require = new Proxy(Module.prototype.require, {
    apply: (target, self, args) => (args[0] === '@azure/functions-core' ? core : Reflect.apply(target, self, args)),
  });
  return app;
}
