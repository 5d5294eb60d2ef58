// Header fields that are the guest's own, and the encodings that they and the arguments
// of weir's functions have.

import { toText } from "./memory";
import { decode, encode, sizeOf } from "./utf8";

/** More fields than that are nothing a host gives. */
const MOST: u32 = 4096;

/** One field of a header. */
export class Field {
  constructor(public name: string, public value: string) {}
}

/** An ordered list of fields: of a call, of what it was answered, of a reply. Names are not case-sensitive. */
export class Fields {
  private list: Array<Field> = [];

  /** Fields with one in them, to begin with. */
  static of(name: string, value: string): Fields {
    return new Fields().add(name, value);
  }

  /** The first value of a field; "" if there is none. */
  get(name: string): string {
    const i = this.find(name);
    return i < 0 ? "" : this.list[i].value;
  }

  /** Whether there is such a field. */
  has(name: string): bool {
    return this.find(name) >= 0;
  }

  /** Sets a field, in the place of all that have its name. */
  set(name: string, value: string): Fields {
    return this.remove(name).add(name, value);
  }

  /** Appends a field. */
  add(name: string, value: string): Fields {
    this.list.push(new Field(lower(name), value));
    return this;
  }

  /** Removes all fields of a name. */
  remove(name: string): Fields {
    for (let i = this.find(name); i >= 0; i = this.find(name)) this.list.splice(i, 1);
    return this;
  }

  /** All fields, in their order. */
  all(): Array<Field> {
    return this.list;
  }

  private find(name: string): i32 {
    const small = lower(name);
    for (let i = 0; i < this.list.length; i++) if (this.list[i].name == small) return i;
    return -1;
  }
}

/** A name in small letters: those of ASCII, as names have no others. */
function lower(s: string): string {
  let out = "", from = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c < 0x41 || c > 0x5a) continue;
    out += s.substring(from, i) + String.fromCharCode(c | 0x20);
    from = i + 1;
  }
  return from == 0 ? s : out + s.substring(from);
}

/** Writes fields of four bytes with the length, then as many bytes; and pairs. */
export class Writer {
  private b: Uint8Array = new Uint8Array(256);
  private n: i32 = 0;

  /** Makes room for n more bytes, and returns where they go. */
  private grow(n: i32): usize {
    const end = this.n + n;
    if (end > this.b.length) {
      const b = new Uint8Array(max(end, this.b.length * 2));
      memory.copy(b.dataStart, this.b.dataStart, this.n);
      this.b = b;
    }
    const p = this.b.dataStart + this.n;
    this.n = end;
    return p;
  }

  private word(n: u32): void {
    store<u32>(this.grow(4), n);
  }

  text(s: string): Writer {
    const n = sizeOf(s);
    this.word(n);
    encode(s, this.grow(n));
    return this;
  }

  bytes(b: Uint8Array): Writer {
    this.word(b.length);
    memory.copy(this.grow(b.length), b.dataStart, b.length);
    return this;
  }

  number(n: u64): Writer {
    this.word(8);
    store<u64>(this.grow(8), n);
    return this;
  }

  /** Writes fields as Proxy-Wasm encodes a header, without a length before them. */
  pairs(fields: Fields): Writer {
    const list = fields.all();
    this.word(list.length);
    for (let i = 0; i < list.length; i++) {
      this.word(sizeOf(list[i].name));
      this.word(sizeOf(list[i].value));
    }
    for (let i = 0; i < list.length; i++) {
      this.ended(list[i].name);
      this.ended(list[i].value);
    }
    return this;
  }

  private ended(s: string): void {
    const n = sizeOf(s);
    const p = this.grow(n + 1);
    encode(s, p);
    store<u8>(p + n, 0);
  }

  done(): Uint8Array {
    return this.b.subarray(0, this.n);
  }
}

/** Fields in Proxy-Wasm's encoding. */
export function encodePairs(fields: Fields): Uint8Array {
  return new Writer().pairs(fields).done();
}

/** Reads Proxy-Wasm's encoding of a header; what is none has no fields. */
export function decodePairs(b: Uint8Array): Fields {
  const fields = new Fields();
  if (b.length < 4) return fields;
  const p = b.dataStart;
  const count = load<u32>(p);
  if (count > MOST) return fields;
  let at: u64 = 4 + 8 * <u64>count;
  if (at > <u64>b.length) return fields;
  for (let i: u32 = 0; i < count; i++) {
    const k = load<u32>(p + 4 + 8 * i), v = load<u32>(p + 8 + 8 * i);
    const end = at + <u64>k + <u64>v + 2;
    if (end > <u64>b.length) return new Fields();
    const name = decode(p + <usize>at, k);
    fields.add(name, decode(p + <usize>at + k + 1, v));
    at = end;
  }
  return fields;
}

/** Reads fields in their order. */
export class Reader {
  private at: i32 = 0;
  bad: bool = false;

  constructor(private b: Uint8Array) {}

  bytes(): Uint8Array {
    const left = this.b.length - this.at;
    const n = left < 4 ? u32.MAX_VALUE : load<u32>(this.b.dataStart + this.at);
    if (this.bad || n > <u32>max(left - 4, 0)) {
      this.bad = true;
      return new Uint8Array(0);
    }
    const from = this.at + 4;
    this.at = from + n;
    return this.b.slice(from, this.at);
  }

  text(): string {
    return toText(this.bytes());
  }

  number(): u64 {
    const b = this.bytes();
    if (b.length != 8) {
      this.bad = true;
      return 0;
    }
    return load<u64>(b.dataStart);
  }

  more(): bool {
    return !this.bad && this.at < this.b.length;
  }
}
