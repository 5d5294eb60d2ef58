// Values of JSON.

export enum Type { Null, Bool, Number, Text, List, Object }

const names: StaticArray<string> = ["null", "true or false", "a number", "a text", "a list", "an object"];

/** What a type is called in messages. */
export function nameOf(type: Type): string {
  return names[type];
}

/** A value of JSON. What it is not, is empty. */
export class Value {
  bool: bool = false;
  number: f64 = 0;
  text: string = ""; // of a number: as it was written
  list: Array<Value> = [];
  keys: Array<string> = [];
  used: Array<bool> = []; // which keys were asked for

  constructor(public type: Type) {}

  /** The value of a key of an object; null if there is none. */
  get(key: string): Value {
    const v = this.find(key);
    return v ? v : new Value(Type.Null);
  }

  /** The value at a place of a list; null if there is none. */
  at(i: i32): Value {
    return this.type == Type.List && i >= 0 && i < this.list.length ? this.list[i] : new Value(Type.Null);
  }

  /** Adds keys that nobody has asked for, as errors. */
  strange(before: string, errors: Array<string>): void {
    for (let i = 0; i < this.list.length; i++) {
      if (this.type == Type.List) this.list[i].strange(before + "[" + i.toString() + "]", errors);
      else {
        const key = before.length > 0 ? before + "." + this.keys[i] : this.keys[i];
        if (this.used[i]) this.list[i].strange(key, errors);
        else errors.push(key + ": there is no such setting");
      }
    }
  }

  /** The value of a key of an object. */
  find(key: string): Value | null {
    const i = this.keys.indexOf(key);
    if (i < 0) return null;
    this.used[i] = true;
    return this.list[i];
  }
}
