// Builds the filters of tests.

import asc from "assemblyscript/asc";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "../testing/host.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** Builds a file, with further options, and loads it. */
export async function build(file, ...options) {
  const dir = await mkdtemp(join(tmpdir(), "weir-as-"));
  try {
    const out = join(dir, "filter.wasm"), text = [];
    const print = { write: (s) => text.push(s) };
    const { error } = await asc.main([join(here, "filters", file), "--config", join(here, "..", "asconfig.json"),
      "-o", out, ...options], { stdout: print, stderr: print });
    if (error) throw new Error(text.join("") || error.message);
    const filter = await load(out);
    return { ...filter, warnings: text.join("") };
  } finally {
    await rm(dir, { recursive: true });
  }
}
