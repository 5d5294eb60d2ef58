// Keys and values that outlive the instance, and that all nodes share.

import { Call, Wanted } from "./abi";
import { ask, Context } from "./context";
import { Reader, Writer } from "./fields";
import { Late, Waiting } from "./late";
import { toText } from "./memory";
import { Kind } from "./result";

/** An entry of the store. Of one that is not there, `found` is false, and it has not failed. */
export class Entry extends Late {
  key: string = "";
  value: Uint8Array = new Uint8Array(0);
  version: u64 = 0; // for who wants to write only if nobody else has
  found: bool = false;

  get text(): string { return toText(this.value); }

  _fail(status: u32, message: string): void {
    if (status != Kind.NotFound) super._fail(status, message);
  }

  _read(fields: Reader): void {
    this.value = fields.bytes();
    this.version = fields.number();
    this.found = true;
  }
}

/** What a write has come to: Kind.Conflict if the entry has not the version that it should have. */
export class Written extends Late {
  version: u64 = 0; // that the entry has now

  _read(fields: Reader): void {
    if (fields.more()) this.version = fields.number();
  }
}

/** Entries in the order of their keys. */
export class Page extends Late {
  entries: Array<Entry> = [];

  _read(fields: Reader): void {
    while (fields.more()) {
      const e = new Entry();
      e.key = fields.text();
      e._read(fields);
      if (!fields.bad) this.entries.push(e);
    }
  }
}

/** Versions that an entry may be wanted to have, beside one that was read. */
export const ANY: u64 = Wanted.Any;
export const ABSENT: u64 = Wanted.Absent;

/** A space of keys: "" is the plugin's own, others are names that it was granted. */
export class Store {
  constructor(private space: string) {}

  get<T extends Context>(self: T, key: string, then: (self: T, entry: Entry) => void): void {
    const entry = new Entry();
    entry.key = key;
    ask(new Waiting<T, Entry>(self, entry, then), Call.StoreGet, new Writer().text(this.space).text(key));
  }

  /** Sets a value, which is a text or a Uint8Array, for so many milliseconds (0: for ever), if the entry has the version. */
  put<T extends Context, V>(self: T, key: string, value: V, then: (self: T, written: Written) => void, milliseconds: u64 = 0, version: u64 = ANY): void {
    const w = new Writer().text(this.space).text(key);
    if (isString<V>()) w.text(value);
    else w.bytes(value);
    ask(new Waiting<T, Written>(self, new Written(), then), Call.StorePut, w.number(milliseconds).number(version));
  }

  /** Removes an entry, if it has the version. What is not there is removed. */
  delete<T extends Context>(self: T, key: string, then: (self: T, written: Written) => void, version: u64 = ANY): void {
    ask(new Waiting<T, Written>(self, new Written(), then), Call.StoreDelete, new Writer().text(this.space).text(key).number(version));
  }

  /** Reads entries whose keys begin with a prefix and come after a key, at most 1,000 at once. */
  list<T extends Context>(self: T, prefix: string, then: (self: T, page: Page) => void, after: string = "", most: u32 = 100): void {
    const w = new Writer().text(this.space).text(prefix).text(after).number(most);
    ask(new Waiting<T, Page>(self, new Page(), then), Call.StoreList, w);
  }
}

/** The plugin's own space. */
// @ts-ignore: a decorator
@lazy
export const store: Store = new Store("");
