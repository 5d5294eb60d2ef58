// Guests do not grow: everything that a stream had is given back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "./build.mjs";

const pages = (host) => host.exports.memory.buffer.byteLength / 65536;

test("200,000 streams need one page", async () => {
  const hello = await build("hello.ts");
  const imports = WebAssembly.Module.imports(hello.module).map((i) => i.module);
  assert.deepEqual([...new Set(imports)], ["env"]);
  const host = hello.start();
  for (let i = 0; i < 200000; i++) host.exchange();
  assert.equal(pages(host), 1);
  assert.deepEqual(hello.refuses({ a: 1 }), ["configuration refused: this filter has none, but was given one"]);
});

test("so do streams that wait, reply, leave and have bodies", async () => {
  const features = await build("features.ts");
  const options = { upstreams: { users: (c) => ({ status: 200, header: { "x-name": "n" }, body: ["one", "two"], delay: 1 }) }, keys: { k: "key" }, properties: {} };
  for (const rootId of ["fetches", "streams", "stores", "reads", "upper", "events", "secrets", "bothways", "headers", "together"]) {
    const host = features.start({ rootId, ...options });
    const round = (n) => {
      for (let i = 0; i < n; i++) {
        const s = host.open({ path: "/count", body: ["a", "b"], header: { "x-password": "secret" } }, () => ({ body: ["c", "d"] }));
        if (i % 3 === 0) s.cancel();
        host.advance(1000);
        host.log.length = host.calls.length = 0;
      }
    };
    round(300);
    const before = pages(host);
    round(3000);
    assert.ok(pages(host) <= before + 1, `${rootId}: from ${before} to ${pages(host)} pages`);
    assert.equal(host.late.size, 0, rootId);
    assert.equal(host.streams.size, 0, rootId);
  }
});

test("1,000 streams wait at the same time", async () => {
  const features = await build("features.ts");
  const host = features.start({ rootId: "fetches", limits: { calls: 2000 }, upstreams: { users: () => ({ body: "x", delay: 400 }) } });
  const before = pages(host);
  const streams = Array.from({ length: 1000 }, () => host.open("/"));
  host.advance(1000);
  assert.ok(streams.every((s) => s.response.status === 200));
  const each = (pages(host) - before) * 65536 / 1000;
  assert.ok(each < 4096, `${each} bytes each`);
});

test("a long body passes piece by piece", async () => {
  const features = await build("features.ts");
  const host = features.start({ rootId: "upper" });
  const piece = Buffer.alloc(32768, "a");
  const r = host.exchange("/", () => ({ body: Array(500).fill(piece) }));
  assert.equal(r.body.length, 500 * 32768 + 500 * 2 + 1);
  assert.ok(pages(host) < 32, `${pages(host)} pages`);
});
