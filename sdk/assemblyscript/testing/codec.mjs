// Encodings of Proxy-Wasm and of weir's functions, and header fields.

/** An ordered list of header fields. Names are not case-sensitive. */
export class Fields {
  constructor(from = []) {
    this.list = [];
    if (from instanceof Fields) this.list = from.list.map(([name, value]) => [name, value]);
    else if (Array.isArray(from)) for (const [name, value] of from) this.add(name, value);
    else for (const [name, value] of Object.entries(from)) for (const v of [value].flat()) this.add(name, v);
  }

  /** The first value of a field, or undefined. */
  get(name) { return this.values(name)[0]; }
  /** All values of a field. */
  values(name) { return this.list.filter(([n]) => n === name.toLowerCase()).map(([, v]) => v); }
  has(name) { return this.get(name) !== undefined; }
  add(name, value) { this.list.push([name.toLowerCase(), String(value)]); return this; }
  remove(name) { this.list = this.list.filter(([n]) => n !== name.toLowerCase()); return this; }

  set(name, value) {
    const at = this.list.findIndex(([n]) => n === name.toLowerCase());
    if (at < 0) return this.add(name, value);
    const before = this.list.slice(0, at), after = new Fields(this.list.slice(at + 1)).remove(name).list;
    this.list = [...before, [name.toLowerCase(), String(value)], ...after];
    return this;
  }

  /** The fields without those whose names begin with a colon. */
  plain() { return new Fields(this.list.filter(([n]) => !n.startsWith(":"))); }
}

export const bytesOf = (b) => b === undefined || b === null ? Buffer.alloc(0)
  : typeof b === "string" || b instanceof Uint8Array ? Buffer.from(b) : Buffer.from(JSON.stringify(b));

/** Writes fields as Proxy-Wasm does; none are no bytes. */
export function encodePairs(fields) {
  const { list } = new Fields(fields);
  if (list.length === 0) return Buffer.alloc(0);
  const parts = list.flat().map((s) => Buffer.from(s));
  const head = Buffer.alloc(4 + 4 * parts.length);
  head.writeUInt32LE(list.length, 0);
  parts.forEach((p, i) => head.writeUInt32LE(p.length, 4 + 4 * i));
  return Buffer.concat([head, ...parts.flatMap((p) => [p, Buffer.alloc(1)])]);
}

/** Reads what encodePairs writes, and throws if it is anything else. */
export function decodePairs(b) {
  const fields = new Fields();
  if (b.length === 0 || b.length === 1 && b[0] === 0) return fields;
  const count = b.readUInt32LE(0);
  let at = 4 + 8 * count;
  const take = (n) => {
    if (at + n >= b.length || b[at + n] !== 0) throw new RangeError("the guest's pairs are none");
    at += n + 1;
    return b.toString("utf8", at - n - 1, at - 1);
  };
  for (let i = 0; i < count; i++) fields.add(take(b.readUInt32LE(4 + 8 * i)), take(b.readUInt32LE(8 + 8 * i)));
  if (at !== b.length) throw new RangeError("the guest's pairs have bytes left over");
  return fields;
}

/** Writes fields of weir's functions: numbers, texts and bytes. */
export function encodeFields(...values) {
  return Buffer.concat(values.flatMap((v) => {
    const b = typeof v === "number" || typeof v === "bigint" ? Buffer.alloc(8) : bytesOf(v);
    if (typeof v === "number" || typeof v === "bigint") b.writeBigUInt64LE(BigInt(v));
    const n = Buffer.alloc(4);
    n.writeUInt32LE(b.length);
    return [n, b];
  }));
}

/** Reads fields of weir's functions. `end` throws if something was wrong. */
export class FieldReader {
  constructor(b) { this.b = b; this.at = 0; }

  bytes() {
    const n = this.b.readUInt32LE(this.at), from = this.at + 4;
    if (from + n > this.b.length) throw new RangeError("a field is cut");
    this.at = from + n;
    return Buffer.from(this.b.subarray(from, this.at));
  }

  text() { return this.bytes().toString(); }
  big() { return this.bytes().readBigUInt64LE(0); }
  number() { return Number(this.big()); }
  pairs() { return decodePairs(this.bytes()); }

  end() { if (this.at !== this.b.length) throw new RangeError("fields are left over"); }
}
