import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "weir-sdk/testing";

const filter = await load("{{name}}.wasm");

test("says hello", () => {
  const response = filter.start().exchange({ path: "/" });
  assert.equal(response.status, 200);
  assert.equal(response.header.get("x-hello"), "from {{name}}");
});

test("leaves the rest of the answer alone", () => {
  const missing = { status: 404, header: { "content-type": "text/plain" }, body: "nothing here" };
  const response = filter.start().exchange({ path: "/missing" }, () => missing);
  assert.equal(response.status, 404);
  assert.equal(response.header.get("content-type"), "text/plain");
  assert.equal(response.text, "nothing here");
});
