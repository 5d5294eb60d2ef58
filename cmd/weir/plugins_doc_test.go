package main_test

import (
	"testing"
)

// pluginSettings are the objects of the schema whose settings PLUGINS.md lists.
var pluginSettings = []explainedObject{
	{"plugin", "", "plugins: {p: {wasm: a.wasm, @}}\nsites: {a.lan: {filters: p, respond: hi}}"},
	{"plugin_limits", "limits.", "plugins: {p: {wasm: a.wasm, limits: {@}}}\nsites: {a.lan: {filters: p, respond: hi}}"},
	{"grants", "grants.", "plugins: {p: {wasm: a.wasm, grants: {@}}}\nsites: {a.lan: {filters: p, respond: hi}}"},
	{"mount", "grants.files.", "plugins: {p: {wasm: a.wasm, grants: {files: {host: /a, guest: /b, @}}}}\nsites: {a.lan: {filters: p, respond: hi}}"},
	{"grant_key", "grants.keys.", "plugins: {p: {wasm: a.wasm, grants: {keys: {k: {@}}}}}\nsites: {a.lan: {filters: p, respond: hi}}"},
	{"filter", "filters.", "plugins: {p: {wasm: a.wasm}}\nsites: {a.lan: {filters: {use: p, @}, respond: hi}}"},
	{"cgi", "cgi.", "sites: {a.lan: {root: ., cgi: {dirs: /x, @}}}"},
}

// TestPlugins_DocumentListsEverySetting holds the tables of PLUGINS.md to what there is,
// and to what holds where nothing is written.
func TestPlugins_DocumentListsEverySetting(t *testing.T) {
	t.Parallel()
	listsEverySetting(t, "PLUGINS.md", pluginSettings)
}

// TestPlugins_DocumentQuotesValidConfiguration holds its YAML to what weir accepts.
func TestPlugins_DocumentQuotesValidConfiguration(t *testing.T) {
	t.Parallel()
	quotesValidConfiguration(t, "PLUGINS.md", 2)
}
