import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "weir-sdk/testing";

const app = await load("{{name}}.wasm");

for (const [method, path, status, text] of [
  ["GET", "/", 200, "Hello from {{name}}.\n"],
  ["GET", "/hello/Ada", 200, "Hello, Ada, at example.com.\n"],
  ["GET", "/nothing", 404, "not found\n"],
  ["DELETE", "/", 405, "method not allowed\n"],
]) {
  test(`${method} ${path}`, () => {
    const response = app.start().exchange({ method, path });
    assert.equal(response.status, status);
    assert.equal(response.text, text);
  });
}
