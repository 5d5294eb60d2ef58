// An in-memory host for filters, for tests: `node --test`.
//
//   const filter = await load("build/filter.wasm");
//   test("greets", () => {
//     const host = filter.start({ config: { greeting: "hi" } });
//     const response = host.exchange({ path: "/hello" }, () => ({ status: 200, body: "…" }));
//     assert.equal(response.header.get("x-hello"), "hi");
//   });

import { readFile } from "node:fs/promises";
import { Fields, bytesOf, encodeFields } from "./codec.mjs";
import { hostcalls } from "./hostcalls.mjs";
import { Stream } from "./stream.mjs";
import { weirFunctions } from "./weir.mjs";

export { Fields } from "./codec.mjs";

/** Loads a module that was built. */
export async function load(path) {
  const module = await WebAssembly.compile(await readFile(path));
  return {
    module,
    /** Starts an instance with a configuration. Throws what it has logged if it refuses that. */
    start: (options = {}) => new Host(module, options).begin(),
    /** Starts one that is to refuse its configuration, and returns the lines that it has logged. */
    refuses: (config, options = {}) => {
      const host = new Host(module, { ...options, config });
      return host.configure() ? null : host.log.map((l) => l.message);
    },
  };
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "critical"];

/**
 * Options: config (an object, or a text), rootId, weir (false: a host that knows plain
 * Proxy-Wasm alone), upstreams ({name: call => answer}), store ({space: {key: value}}),
 * keys ({name: secret}), limits ({body, calls}), properties ({path: value}), print (log to
 * the console, too).
 */
export class Host {
  constructor(module, options) {
    this.options = options;
    this.weir = options.weir !== false;
    this.upstreams = options.upstreams ?? {};
    this.limits = { body: 1 << 20, calls: 64, ...options.limits };
    this.clock = 0; // virtual milliseconds
    this.log = []; // {level, message}
    this.calls = []; // what upstreams were asked
    this.metrics = {}; // by name
    this.properties = { plugin_root_id: options.rootId ?? "", ...options.properties };
    this.shared = new Map();
    this.store = new Map();
    for (const [space, entries] of Object.entries(options.store ?? {})) {
      this.store.set(space, new Map(Object.entries(entries).map(([k, v]) => [k, { value: bytesOf(v), version: 1n, expires: Infinity }])));
    }
    this.version = 1n;
    this.streams = new Map();
    this.root = 1;
    this.lastID = 1;
    this.effective = this.root;
    this.events = []; // {due, token, run}
    this.late = new Map(); // what is under way, by token
    this.lastToken = 0;
    this.buffers = {}; // 4 to 8
    this.maps = {}; // 6, 7
    this.period = 0;
    this.inside = 0;
    this.foreign = this.weir ? weirFunctions(this) : {};
    const config = options.config ?? "";
    this.config = typeof config === "string" ? Buffer.from(config) : Buffer.from(JSON.stringify(config));
    this.instance = new WebAssembly.Instance(module, { env: hostcalls(this) });
    this.exports = this.instance.exports;
    this.exports._initialize?.();
  }

  begin() {
    if (!this.configure()) throw new Error("the filter refuses its configuration:\n" + this.log.map((l) => `${l.level}: ${l.message}`).join("\n"));
    return this;
  }

  configure() {
    this.call("proxy_on_context_create", this.root, 0);
    this.call("proxy_on_vm_start", this.root, 0);
    return this.call("proxy_on_configure", this.root, this.config.length) !== 0;
  }

  /** Calls into the guest; what it lacks does nothing. */
  call(name, context, ...args) {
    if (!this.exports[name]) return 0;
    if (this.inside) throw new Error(`${name}: the guest is entered twice`);
    this.effective = context;
    this.inside++;
    try {
      return this.exports[name](context, ...args);
    } catch (e) {
      const why = this.log.findLast((l) => l.level === "critical");
      throw why ? new Error(why.message, { cause: e }) : e;
    } finally {
      this.inside--;
    }
  }

  /** Sends a request through the filter, and returns the response. The clock runs as far as it has to. */
  exchange(request = {}, upstream = () => ({})) {
    const s = this.open(request, upstream);
    while (!s.over && this.events.length > 0) this.advance(Math.max(0, this.events[0].due - this.clock));
    if (!s.over) throw new Error("the request does not end: the filter holds it back, and waits for nothing");
    return s.response;
  }

  /** Begins a request, and goes as far as is possible without the clock running. */
  open(request = {}, upstream = () => ({})) {
    if (typeof request === "string") request = { path: request };
    const s = new Stream(this, ++this.lastID, request, upstream);
    this.streams.set(s.id, s);
    this.run();
    return s;
  }

  /** Does all that is due. */
  run() {
    for (;;) {
      for (const s of [...this.streams.values()]) s.pump();
      const next = this.events[0];
      if (!next || next.due > this.clock) return;
      this.events.shift();
      next.run();
    }
  }

  /** Lets so many milliseconds pass. */
  advance(ms) {
    const end = this.clock + ms;
    this.run();
    while (this.events.length > 0 && this.events[0].due <= end) {
      this.clock = this.events[0].due;
      this.run();
    }
    this.clock = end;
  }

  /** Has something be done later. */
  after(ms, run, token = 0) {
    const e = { due: this.clock + ms, run, token };
    const at = this.events.findIndex((o) => o.due > e.due);
    this.events.splice(at < 0 ? this.events.length : at, 0, e);
  }

  setTick(ms) {
    this.period = ms;
    this.events = this.events.filter((e) => e.token !== "tick");
    const turn = this.turn = {}; // setting it again ends this
    const tick = () => {
      this.tick();
      if (this.turn === turn) this.after(ms, tick, "tick");
    };
    if (ms > 0) this.after(ms, tick, "tick");
  }

  /** Calls the guest's timer, as the clock does. */
  tick() {
    this.call("proxy_on_tick", this.root);
  }

  /** Takes a token for what the guest waits for; `null`: too much is under way. */
  begun(what = {}) {
    if (this.late.size >= this.limits.calls) return null;
    const token = ++this.lastToken;
    this.late.set(token, { ...what, context: this.effective });
    return token;
  }

  /** Answers what the guest has asked of a function of weir's. */
  answer(token, status, ...fields) {
    const what = this.late.get(token);
    if (!what) return;
    if (!what.more) this.late.delete(token);
    this.buffers[8] = encodeFields(token, status, ...fields);
    this.tell(1, what.context);
  }

  /** Tells of an event of a reply. */
  event(context, kind) {
    this.buffers[8] = encodeFields(context, kind);
    this.tell(2, context);
  }

  tell(kind, context) {
    const effective = this.streams.has(context) ? context : this.root;
    const call = this.exports.proxy_on_foreign_function;
    this.effective = effective;
    this.inside++;
    try {
      call?.(this.root, kind, this.buffers[8].length);
    } finally {
      this.inside--;
      delete this.buffers[8];
    }
  }

  /** Asks an upstream; `hear` gets {status, header, body, trailers}, or {error}. */
  ask(name, head, body, hear, token) {
    const call = { upstream: name, method: head.get(":method"), path: head.get(":path"), authority: head.get(":authority"), header: head.plain(), body, text: body.toString() };
    this.calls.push(call);
    let answer;
    try {
      answer = this.upstreams[name](call) ?? {};
    } catch (e) {
      answer = { error: e.message };
    }
    this.after(answer.delay ?? 0, () => hear(answer.error !== undefined ? answer : {
      status: answer.status ?? 200, header: new Fields(answer.header ?? {}),
      chunks: [answer.body ?? []].flat().map(bytesOf), trailers: new Fields(answer.trailers ?? {}), cut: answer.cut,
    }), token);
  }

  wrote(level, message) {
    this.log.push({ level: LEVELS[level], message });
    if (this.options.print) console.error(`${LEVELS[level]}: ${message}`);
  }
}
