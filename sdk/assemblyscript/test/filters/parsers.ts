// What reads what others wrote, for tests that write anything.

import { decodePairs, encodePairs, Reader } from "../../assembly/fields";
import { Parser } from "../../assembly/json";
import { allocate, toBytes, toText } from "../../assembly/memory";
import { Type, Value } from "../../assembly/value";
import "../../assembly/abort";

let input: Uint8Array = new Uint8Array(0);
let output: Uint8Array = new Uint8Array(0);

/** Makes room for input. */
export function room(n: i32): usize {
  input = new Uint8Array(n);
  return input.dataStart;
}

export function result(): usize { return output.dataStart; }
export function resultSize(): i32 { return output.length; }
export function hostRoom(n: i32): usize { return allocate(n); }

export function text(): void { output = toBytes(toText(input)); }

export function pairs(): void { output = encodePairs(decodePairs(input)); }

/** Reads fields, each twice as what it may be, and returns how many there are; -1: they are none. */
export function fields(): i32 {
  const r = new Reader(input);
  let n = 0;
  for (; r.more(); n++) r.bytes();
  const numbers = new Reader(input);
  while (numbers.more()) numbers.number();
  return r.bad ? -1 : n;
}

/** Reads JSON, and writes it again; what it is not begins with an exclamation mark. */
export function json(): void {
  const parser = new Parser(toText(input)), value = parser.read();
  output = toBytes(parser.error.length > 0 ? "!" + parser.error : write(value));
}

function write(v: Value): string {
  switch (v.type) {
    case Type.Null: return "null";
    case Type.Bool: return v.bool.toString();
    case Type.Number: return v.number.toString();
    case Type.Text: return quote(v.text);
  }
  let s = "";
  for (let i = 0; i < v.list.length; i++) {
    s += (i > 0 ? "," : "") + (v.type == Type.Object ? quote(v.keys[i]) + ":" : "") + write(v.list[i]);
  }
  return v.type == Type.Object ? "{" + s + "}" : "[" + s + "]";
}

function quote(s: string): string {
  let out = '"';
  for (let i = 0; i < s.length; i++) out += "\\u" + (0x10000 + s.charCodeAt(i)).toString(16).substring(1);
  return out + '"';
}
