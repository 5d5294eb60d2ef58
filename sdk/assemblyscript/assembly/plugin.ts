// Which filters a module has, and what each configuration of one is.

import { Buffer, Level } from "./abi";
import { Config } from "./config";
import { become, Context, now } from "./context";
import { Filter } from "./filter";
import { getText, logLine, now as clock, setTick } from "./host";
import { span } from "./units";

/**
 * A filter with one configuration: what its streams have in common. Where several are
 * configured in one instance, each has an object of its own.
 */
export abstract class Plugin extends Context {
  /** @internal */ _period: u32 = 0;
  /** @internal */ _due: i64 = 0; // when the next tick is, in milliseconds since 1970

  /** Reads the configuration. What is not asked for, or is of another type, refuses it. */
  configure(config: Config): void {}

  /** Makes the filter of a new stream. */
  abstract filter(): Filter;

  /** The time that `tick` has set has passed. */
  onTick(): void {}

  /** Has onTick be called every so many milliseconds; 0: no longer. In each instance of the plugin. */
  tick(milliseconds: i64): void {
    become(this);
    this._period = span(milliseconds);
    this._due = clock() / 1000000 + this._period;
    setTick(this._period);
  }
}

/** @internal A name, as in root_id, and how a plugin of it begins; null: its configuration is refused. */
export class Kind {
  next: Kind | null = null;

  constructor(
    public name: string,
    public filter: (() => Filter) | null,
    public plugin: (() => Plugin) | null,
    public begin: (kind: Kind, root: u32, size: u32) => Plugin | null,
  ) {}
}

/** @internal All that were registered, the last first. */
export class Kinds {
  last: Kind | null = null;

  add(kind: Kind): void {
    kind.next = this.last;
    this.last = kind;
  }
}

export const kinds = new Kinds();

// What `configured` and `every` have set. Filters without them have no code for it.
let configure: ((config: Config) => void) | null = null;
let reading: ((size: u32) => bool) | null = null;
let run: ((plugin: Plugin) => void) | null = null;
let period: u32 = 0;

class Simple extends Plugin {
  constructor(private make: () => Filter) { super(); }

  filter(): Filter { return this.make(); }

  onTick(): void { run!(this); }
}

function beginSimple(kind: Kind, root: u32, size: u32): Plugin | null {
  const p = new Simple(kind.filter!), read = reading;
  enter(p, root);
  if (read) {
    if (!read(size)) return null;
  } else if (!blank(size)) {
    logLine(Level.Error, "configuration refused: this filter has none, but was given one");
    return null;
  }
  if (period > 0) p.tick(period);
  return p;
}

function beginPlugin(kind: Kind, root: u32, size: u32): Plugin | null {
  const p = kind.plugin!(), config = new Config(getText(Buffer.PluginConfiguration, size));
  enter(p, root);
  p.configure(config);
  return config._check() ? p : null;
}

function enter(p: Plugin, root: u32): void {
  p._id = root;
  now.context = p;
}

function readConfig(size: u32): bool {
  const config = new Config(getText(Buffer.PluginConfiguration, size));
  configure!(config);
  return config._check();
}

/** Whether a configuration says nothing. */
function blank(size: u32): bool {
  const s = getText(Buffer.PluginConfiguration, size);
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c > 0x20 && c != 0x7b && c != 0x7d) return false; // but {}
  }
  return true;
}

/** Registers a filter: `make` is called for each stream. A module may have several, which `root_id` chooses from. */
export function filter(make: () => Filter, name: string = ""): void {
  kinds.add(new Kind(name, make, null, beginSimple));
}

/** Registers a filter with a class for its configuration. */
export function plugin(make: () => Plugin, name: string = ""): void {
  kinds.add(new Kind(name, null, make, beginPlugin));
}

/** Has the configuration of filters that have no class for it be read, into variables of the module. */
export function configured(read: (config: Config) => void): void {
  configure = read;
  reading = readConfig;
}

/** Has something be done every so many milliseconds, in the background. Only the last of several counts. */
export function every(milliseconds: i64, what: (plugin: Plugin) => void): void {
  period = span(milliseconds);
  run = what;
}
