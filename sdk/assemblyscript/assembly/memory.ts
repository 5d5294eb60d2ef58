// What goes between the host and the guest's memory. Small things go through two places
// that are always the same, so that a call makes no garbage.

import { decode, encode, sizeOf } from "./utf8";

const ROOM: usize = 2048;

/** Where the host puts what it gives, if it is small. */
const room: usize = memory.data(2048);

/** What the host was given for something larger. Nothing else refers to it, and so it is kept here. */
let lent: ArrayBuffer | null = null;

/** Where text is written for the host, if it is small, and how much of it is. */
const desk: usize = memory.data(2048);
let used: usize = 0;
let kept: Uint8Array | null = null;
let keptToo: Uint8Array | null = null;

/** Where host functions write a pointer and a size, and a number of up to eight bytes. */
export const data: usize = memory.data(16, 8);
export const size: usize = data + 4;
export const number: usize = data + 8;

/** What proxy_on_memory_allocate is. */
export function allocate(n: usize): usize {
  if (n <= ROOM) return room;
  const b = new ArrayBuffer(i32(n));
  lent = b;
  return changetype<usize>(b);
}

/** The size of what was written last. */
export let written: usize = 0;

/** Takes back what was written: before a call. */
export function clear(): void {
  used = 0;
}

/** Writes a text, at most two for one call, and returns where it is. */
export function write(s: string): usize {
  const most = <usize>s.length * 3;
  if (most <= ROOM - used) {
    const p = desk + used;
    written = encode(s, p);
    used += written;
    return p;
  }
  const b = toBytes(s);
  keptToo = kept;
  kept = b;
  written = b.length;
  return b.dataStart;
}

/** Writes a byte behind a text. */
export function writeByte(c: u8): void {
  store<u8>(desk + used++, c);
}

/** Prepares for a host function that gives something. */
export function expect(): void {
  store<u64>(data, 0);
}

/** The text that the host has given. */
export function text(): string {
  const s = decode(load<u32>(data), given());
  lent = null;
  return s;
}

/** The bytes that the host has given. */
export function bytes(): Uint8Array {
  const n = given();
  const b = lent;
  if (b && n == b.byteLength && <usize>load<u32>(data) == changetype<usize>(b)) {
    lent = null;
    return Uint8Array.wrap(b);
  }
  const copy = new Uint8Array(i32(n));
  if (n > 0) memory.copy(copy.dataStart, load<u32>(data), n);
  return copy;
}

/** How many bytes the host has given; 0 if it is not where it was told to put them. */
function given(): usize {
  const p = <usize>load<u32>(data);
  const n = <usize>load<u32>(size);
  const b = lent;
  if (p == room && n <= ROOM) return n;
  if (b && p == changetype<usize>(b) && n <= <usize>b.byteLength) return n;
  return 0;
}

/** The bytes of a text. */
export function toBytes(s: string): Uint8Array {
  const b = new Uint8Array(sizeOf(s));
  encode(s, b.dataStart);
  return b;
}

/** The text that bytes are. */
export function toText(b: Uint8Array): string {
  return decode(b.dataStart, b.length);
}
