// Runs the npm package http-cache-tests against a cache and writes what came of it, and
// what the package tells of other caches, as JSON:
//   node cachesuite.mjs PACKAGE BASE-URL FILE
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [suite, base, file] = process.argv.slice(2)
const load = name => import(pathToFileURL(path.join(suite, name)))
const fetch = createRequire(path.join(suite, 'package.json'))('node-fetch')

const { runTests, getResults } = await load('client/runner.mjs')
const { determineTestResult } = await load('lib/display.mjs')
const sections = (await load('tests/index.mjs')).default
sections.push((await load('tests/surrogate-control.mjs')).default)

await runTests(sections, fetch, false, base)
const caches = { weir: getResults() }
for (const name of ['nginx', 'varnish', 'squid', 'trafficserver', 'apache', 'nuster', 'fastly']) {
  caches[name] = JSON.parse(fs.readFileSync(path.join(suite, 'results', name + '.json')))
}
const words = { '✅': 'pass', '⛔️': 'fail', '⚠️': 'missed', Y: 'yes', N: 'no', '🔹': 'setup', '⁉️': 'harness', '⚪️': 'dependency', '↻': 'retry', '-': 'untested' }
const out = []
for (const section of sections) {
  for (const test of section.tests) {
    if (test.browser_only) continue
    const results = {}
    for (const [name, all] of Object.entries(caches)) {
      results[name] = words[determineTestResult(sections, test.id, all)[2]]
    }
    const own = caches.weir[test.id]
    out.push({ id: test.id, section: section.id, kind: test.kind || 'required', results, why: Array.isArray(own) ? own.join(': ') : '' })
  }
}
fs.writeFileSync(file, JSON.stringify(out))
console.log('done')
