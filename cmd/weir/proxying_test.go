package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// explainedObject is an object of the schema, with what its settings are listed behind.
type explainedObject struct{ object, prefix, file string }

// explained are the objects of the schema whose settings PROXYING.md lists, and a
// configuration that has one of them, with @ for its settings.
var explained = []explainedObject{
	{"proxy", "", "sites: {a.lan: {proxy: {to: 'https://b', @}}}"},
	{"endpoint", "to.", "sites: {a.lan: {proxy: {to: {url: 'https://b', @}}}}"},
	{"balance", "balance.", "sites: {a.lan: {proxy: {to: 'https://b', balance: {@}}}}"},
	{"health", "health.", "sites: {a.lan: {proxy: {to: 'https://b', health: {@}}}}"},
	{"eject", "eject.", "sites: {a.lan: {proxy: {to: 'https://b', eject: {@}}}}"},
	{"upstream_limits", "limits.", "sites: {a.lan: {proxy: {to: 'https://b', limits: {@}}}}"},
	{"retry", "retry.", "sites: {a.lan: {proxy: {to: 'https://b', retry: {@}}}}"},
	{"upstream_timeouts", "timeouts.", "sites: {a.lan: {proxy: {to: 'https://b', timeouts: {@}}}}"},
	{"upstream_tls", "tls.", "sites: {a.lan: {proxy: {to: 'https://b', tls: {@}}}}"},
	{"buffer", "buffer.", "sites: {a.lan: {proxy: {to: 'https://b', buffer: {@}}}}"},
	{"share", "split.", "sites: {a.lan: {proxy: {split: [{to: 'https://b', @}]}}}"},
	{"mirror", "mirror.", "sites: {a.lan: {proxy: {to: 'https://b', mirror: {to: 'https://c', @}}}}"},
	{"cache", "", "sites: {a.lan: {proxy: b, cache: {enabled: true, @}}}"},
	{"cache_store", "", "cache: {memory: 64MiB, @}\nsites: {a.lan: {proxy: b, cache: true}}"},
	{"trusted_proxies", "", "trusted_proxies: {from: private, @}\nsites: {a.lan: {proxy: b}}"},
}

var settingRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\| (?:`([^`]+)`)? *\\| \\S")

// TestProxying_ListsEverySetting holds the tables of PROXYING.md to what there is, and
// to what holds where nothing is written.
func TestProxying_ListsEverySetting(t *testing.T) {
	t.Parallel()
	listsEverySetting(t, "PROXYING.md", explained)
}

// listsEverySetting holds the tables of a document to the objects that it explains.
func listsEverySetting(t *testing.T, document string, explained []explainedObject) {
	t.Helper()
	var schema struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(readDocument(t, document), "\n## Settings\n")
	rows := settingRow.FindAllStringSubmatch(text, -1)
	for _, o := range explained {
		keys := slices.Sorted(maps.Keys(schema.Defs[o.object].Properties))
		if len(keys) == 0 {
			t.Errorf("the schema has no %s", o.object)
		}
		for _, key := range keys {
			i := slices.IndexFunc(rows, func(row []string) bool { return row[1] == o.prefix+key })
			switch {
			case key == "import": // of snippets, everywhere
			case i < 0:
				t.Errorf("%s does not list %s%s, of %s", document, o.prefix, key, o.object)
			default:
				if value := rows[i][2]; value != "" {
					sameWith(t, o.file, key+": "+value)
				}
				rows = slices.Delete(rows, i, i+1)
			}
		}
	}
	for _, row := range rows {
		t.Errorf("%s lists %s, which there is not", document, row[1])
	}
}

// sameWith expects a setting to change nothing in a configuration.
func sameWith(t *testing.T, file, setting string) {
	t.Helper()
	normal := func(setting string) string {
		c, err := config.Parse("weir.yaml", []byte(strings.Replace(file, "@", setting, 1)), config.Options{Dir: "."})
		if err != nil {
			t.Errorf("the document says that this is the default: %s: %v", setting, err)
			return ""
		}
		return string(config.Normal(c))
	}
	base := ""
	switch key, _, _ := strings.Cut(setting, ":"); {
	case key == "memory" && strings.Contains(file, "memory: 64MiB, ") || key == "enabled":
		file = strings.NewReplacer("memory: 64MiB, ", "", "enabled: true, ", "").Replace(file)
	case strings.Contains(file, "limits: {@}") && (key == "pending" || key == "wait"):
		base = "requests: 10"
		setting = base + ", " + setting
	}
	if got, want := normal(setting), normal(base); got != want {
		t.Errorf("the document says that this is the default: %s: with it the configuration is\n%s\nand without\n%s", setting, got, want)
	}
}

// TestProxying_QuotesValidConfiguration holds its YAML to what weir accepts.
func TestProxying_QuotesValidConfiguration(t *testing.T) {
	t.Parallel()
	quotesValidConfiguration(t, "PROXYING.md", 3)
}

// namedFile finds what a configuration takes from files beside it.
var namedFile = regexp.MustCompile(`file: \./([\w.]+)`)

func quotesValidConfiguration(t *testing.T, document string, least int) {
	t.Helper()
	blocks := yamlBlock.FindAllStringSubmatch(readDocument(t, document), -1)
	if len(blocks) < least {
		t.Errorf("found %d blocks of YAML, want %d at least", len(blocks), least)
	}
	for _, m := range blocks {
		file := filepath.Join(t.TempDir(), "weir.yaml")
		write(t, file, m[1])
		for _, secret := range namedFile.FindAllStringSubmatch(m[1], -1) {
			write(t, filepath.Join(filepath.Dir(file), secret[1]), strings.Repeat("5e", 32))
		}
		if c, err := config.Load(file, os.LookupEnv); err != nil || len(c.Warnings) > 0 {
			t.Errorf("a configuration that weir refuses or warns of: %v\n%s", err, m[1])
		}
	}
}
