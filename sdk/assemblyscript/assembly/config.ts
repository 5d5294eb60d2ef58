import { Level } from "./abi";
import { logLine } from "./host";
import { Parser } from "./json";
import { measure, sizeUnit, timeUnit } from "./units";
import { nameOf, Type, Value } from "./value";

/**
 * A configuration: a JSON object. Each accessor names a key and what it is without it.
 * A key that none has named, and a value of another type, refuse the configuration; all
 * that is wrong is logged at once.
 */
export class Config {
  private root: Value | null = null;
  private asked: bool = false;
  private errors: Array<string> = [];

  constructor(private source: string, private path: string = "", private parent: Config | null = null) {}

  /** The configuration as it was written: for who reads it in another way. */
  get raw(): string {
    this.asked = true;
    return this.source;
  }

  /** Whether there is such a key. */
  has(key: string): bool {
    return this.object().find(key) !== null;
  }

  string(key: string, without: string): string {
    const v = this.get(key, Type.Text);
    return v ? v.text : without;
  }

  bool(key: string, without: bool): bool {
    const v = this.get(key, Type.Bool);
    return v ? v.bool : without;
  }

  number(key: string, without: f64): f64 {
    const v = this.get(key, Type.Number);
    return v ? v.number : without;
  }

  /** A whole number. */
  int(key: string, without: i64): i64 {
    const v = this.get(key, Type.Number);
    if (!v) return without;
    const n = <i64>v.number;
    if (<f64>n != v.number || abs(v.number) > 9007199254740992.0) this.fail(key, "must be a whole number, not " + v.text);
    return n;
  }

  /** A time in milliseconds, written as "1m30s", "250ms", or "7d". */
  duration(key: string, without: i64): i64 {
    const v = this.get(key, Type.Text);
    if (!v) return without;
    const n = v.text == "0" ? 0 : measure(v.text, timeUnit);
    if (n < 0) this.fail(key, '"' + v.text + '" is no time; want one such as "1m30s"');
    return n;
  }

  /** A number of bytes, written as a number, or as "64KiB", or "10MB". */
  size(key: string, without: i64): i64 {
    const any = this.object().find(key);
    if (!any || any.type == Type.Number) return this.int(key, without);
    const v = this.get(key, Type.Text);
    if (!v) return without;
    const n = measure(v.text, sizeUnit);
    if (n < 0) this.fail(key, '"' + v.text + '" is no size; want one such as "64KiB"');
    return n;
  }

  /** A list of texts, or one; without the key, it is empty. */
  strings(key: string): Array<string> {
    const one = this.object().find(key);
    if (one && one.type == Type.Text) return [one.text];
    const v = this.get(key, Type.List), out = new Array<string>();
    for (let i = 0; v && i < v.list.length; i++) {
      if (v.list[i].type == Type.Text) out.push(v.list[i].text);
      else this.fail(key + "[" + i.toString() + "]", "must be a text, not " + nameOf(v.list[i].type));
    }
    return out;
  }

  /** An object within; without the key, it has no keys. */
  within(key: string): Config {
    const v = this.get(key, Type.Object);
    return this.child(v ? v : new Value(Type.Object), key);
  }

  /** A list of objects, or one; without the key, it is empty. */
  list(key: string): Array<Config> {
    const one = this.object().find(key);
    if (one && one.type == Type.Object) return [this.child(one, key)];
    const v = this.get(key, Type.List), out = new Array<Config>();
    for (let i = 0; v && i < v.list.length; i++) {
      const name = key + "[" + i.toString() + "]";
      if (v.list[i].type == Type.Object) out.push(this.child(v.list[i], name));
      else this.fail(name, "must be an object, not " + nameOf(v.list[i].type));
    }
    return out;
  }

  /** The keys of an object whose keys are the user's to choose. All count as known. */
  keys(): Array<string> {
    const v = this.object();
    v.used.fill(true);
    return v.keys;
  }

  /** Refuses the configuration because of a key. */
  fail(key: string, why: string): void {
    const p = this.parent;
    if (p) p.fail(this.path + "." + key, why);
    else this.errors.push(key + ": " + why);
  }

  /** @internal Logs all that is wrong, when all were asked for; false: something is. */
  _check(): bool {
    if (!this.asked) this.object(); // nothing was: all that there is is unknown
    const root = this.root, errors = this.errors;
    if (root) root.strange("", errors);
    if (errors.length > 0) logLine(Level.Error, "configuration refused: " + errors.join("; "));
    return errors.length == 0;
  }

  private child(v: Value, key: string): Config {
    const c = new Config("", key, this);
    c.root = v;
    return c;
  }

  private object(): Value {
    const known = this.root;
    if (known) return known;
    this.asked = true;
    let v = new Value(Type.Object);
    if (this.source.length > 0) {
      const parser = new Parser(this.source);
      v = parser.read();
      if (parser.error.length > 0) this.errors.push(parser.error);
      else if (v.type != Type.Object) this.errors.push("must be an object, not " + nameOf(v.type));
      if (parser.error.length > 0 || v.type != Type.Object) v = new Value(Type.Object);
    }
    this.root = v;
    return v;
  }

  private get(key: string, type: Type): Value | null {
    const v = this.object().find(key);
    if (!v || v.type == type) return v;
    if (v.type != Type.Null) this.fail(key, "must be " + nameOf(type) + ", not " + nameOf(v.type));
    return null;
  }
}
