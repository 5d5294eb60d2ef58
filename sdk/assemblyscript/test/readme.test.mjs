import assert from "node:assert/strict";
import { readFile, rm, writeFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";

const here = dirname(fileURLToPath(import.meta.url));

test("all examples of the README compile", async () => {
  const readme = await readFile(join(here, "..", "README.md"), "utf8");
  const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((m) => m[1]);
  assert.ok(examples.length >= 12, `${examples.length} examples`);
  assert.ok(examples[0].trim().split("\n").length <= 12, "the first has more than 12 lines");
  const names = [...(await readFile(join(here, "..", "assembly", "index.ts"), "utf8")).matchAll(/export \{(.*?)\}/gs)]
    .flatMap((m) => m[1].split(",")).map((n) => n.trim());
  const dir = join(here, "filters", "readme");
  try {
    await mkdir(dir, { recursive: true });
    let index = "";
    for (const [i, example] of examples.entries()) {
      const filters = [...example.matchAll(/^class (\w+) extends Filter/gm)].map((m) => m[1]).filter((n) => n !== "Greeting");
      const source = i === 0 ? example.replaceAll("weir-sdk/assembly", "../../../assembly").replace(/^export \*.*$/m, "")
        : `import { ${names.join(", ")} } from "../../../assembly";\n` + example + filters.map((n) => `filter(() => new ${n}(), "${n}");\n`).join("");
      await writeFile(join(dir, `example${i}.ts`), source);
      index += `import "./example${i}";\n`;
    }
    await writeFile(join(dir, "index.ts"), index + 'export * from "../../../assembly/exports";\n');
    const filter = await build("readme/index.ts");
    assert.equal(filter.warnings, "");
    const host = filter.start({ rootId: "App" });
    assert.equal(host.exchange("/hello/B%C3%A9").text, "Hello, Bé\n");
    assert.equal(host.exchange({ method: "POST", path: "/notes", body: "x" }).status, 201);
    assert.equal(filter.start({ rootId: "Dogs" }).exchange("/", () => ({ body: ["a c", "at"] })).text, "a dog");
    const forward = filter.start({ rootId: "Forward", upstreams: { accounts: () => ({ header: { "x-user": "ada" } }) } });
    assert.equal(forward.exchange("/").upstream.header.get("x-user"), "ada");
    const clock = filter.start({ rootId: "Clock" });
    assert.equal(clock.exchange("/").text.split("\n\n").length, 11);
    const count = filter.start({ rootId: "Count" });
    count.exchange("/");
    assert.equal(count.exchange("/").upstream.header.get("x-visits"), "2");
    const streamed = filter.start({ rootId: "Streamed", upstreams: { events: () => ({ body: ["a", "b"] }) } });
    assert.equal(streamed.exchange("/").text, "ab");
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
