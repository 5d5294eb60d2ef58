// Readers of what others wrote, given anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "./build.mjs";
import { decodePairs, encodeFields, encodePairs } from "../testing/codec.mjs";

const { module } = await build("parsers.ts");
const ROUNDS = Number(process.env.ROUNDS ?? 4000);

/** A guest, and a source of chance that is the same in each run, unless SEED says another. */
function begin() {
  const { exports } = new WebAssembly.Instance(module, { env: { proxy_log: () => 0 } });
  let state = Number(process.env.SEED ?? 1);
  const below = (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
  const give = (b) => {
    const at = exports.room(b.length); // which may move the memory
    Buffer.from(exports.memory.buffer).set(b, at);
  };
  const got = () => Buffer.from(Buffer.from(exports.memory.buffer, exports.result(), exports.resultSize()));
  return { exports, below, give, got };
}

/** Changes bytes here and there. */
function mutate(b, below) {
  for (let i = below(4); i > 0 && b.length > 0; i--) {
    const at = below(b.length), rest = b.subarray(at + below(2));
    b = Buffer.concat([b.subarray(0, at), Buffer.from(Array.from({ length: below(3) }, () => below(256))), rest]);
  }
  return b;
}

function anyText(below) {
  const ranges = [[0x20, 0x5f], [0x61, 0x1a], [0x80, 0x780], [0x800, 0xd000], [0xe000, 0x1fff], [0x10000, 0x1000], [0, 0x20]];
  return Array.from({ length: below(12) }, () => { const [from, n] = ranges[below(7)]; return String.fromCodePoint(from + below(n)); }).join("");
}

test("UTF-8 is read as everywhere on the web", () => {
  const { exports, below, give, got } = begin();
  for (let i = 0; i < ROUNDS; i++) {
    const b = mutate(Buffer.from(anyText(below)), below);
    give(b);
    exports.text();
    assert.deepEqual(got(), Buffer.from(b.toString()), b.toString("hex"));
  }
});

test("JSON is read as JSON.parse reads it", () => {
  const { exports, below, give, got } = begin();
  const space = () => ["", "", " ", "\n\t", "\r "][below(5)];
  const any = (depth) => {
    switch (below(depth > 0 ? 8 : 6)) {
      case 0: return "null";
      case 1: return ["true", "false"][below(2)];
      case 2: return String(below(2000) - 1000);
      case 3: return JSON.stringify((below(1 << 30) - (1 << 29)) / 10 ** below(12)) + ["", "e3", "E-2"][below(3)];
      case 4: return JSON.stringify(anyText(below));
      case 5: return '"' + ["\\u0041", "\\ud83d\\ude00", "\\/\\b\\f", "\\\\\\\""][below(4)] + '"';
      case 6: return "[" + Array.from({ length: below(4) }, () => space() + any(depth - 1) + space()).join(",") + "]";
      default: return "{" + Array.from({ length: below(4) }, (_, k) => `${space()}"k${k}"${space()}:${any(depth - 1)}`).join(",") + space() + "}";
    }
  };
  let refused = 0;
  for (let i = 0; i < ROUNDS; i++) {
    let b = Buffer.from(space() + any(3) + space());
    if (below(2) === 0) b = mutate(b, below);
    give(b);
    exports.json();
    const ours = got().toString();
    let theirs, wrong = false;
    try { theirs = JSON.parse(b.toString()); } catch { wrong = true; }
    const what = `${b} became ${ours}`;
    if (wrong) {
      refused++;
      assert.equal(ours[0], "!", what);
    } else if (!ours.endsWith("is there twice")) {
      assert.notEqual(ours[0], "!", what);
      assert.deepEqual(JSON.parse(ours), theirs, what);
    }
  }
  assert.ok(refused > ROUNDS / 10);
});

test("JSON that is too deep is refused", () => {
  const { exports, give, got } = begin();
  give(Buffer.from("[".repeat(100000)));
  exports.json();
  assert.match(got().toString(), /too deep/);
});

test("pairs are read, or are none", () => {
  const { exports, below, give, got } = begin();
  for (let i = 0; i < ROUNDS; i++) {
    const list = Array.from({ length: below(5) }, () => ["n" + below(100), anyText(below).replaceAll("\0", "")]);
    const b = mutate(encodePairs(list), below);
    give(b);
    exports.pairs();
    let theirs = null;
    try { theirs = decodePairs(b).list; } catch { /* they are none */ }
    if (theirs) assert.deepEqual(decodePairs(got()).list.map(([n, v]) => [n, v]), theirs.map(([n, v]) => [n, v]), b.toString("hex"));
  }
  for (const hex of ["ffffffff", "01000000ffffffffffffffff", "0100000001000000ffffffff6100"]) {
    give(Buffer.from(hex, "hex"));
    exports.pairs();
    assert.equal(got().readUInt32LE(0), 0, hex);
  }
});

test("fields are read, or are none", () => {
  const { exports, below, give } = begin();
  for (let i = 0; i < ROUNDS; i++) {
    const n = below(6), b = encodeFields(...Array.from({ length: n }, () => below(2) ? below(1 << 20) : anyText(below)));
    give(b);
    assert.equal(exports.fields(), n);
    give(mutate(b, below));
    exports.fields();
  }
});
