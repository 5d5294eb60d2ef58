package main

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

// trialObjects are the objects of the schema of cases whose settings sdk/TESTING.md lists,
// what they are listed behind, and a file that has one, with @ for its settings.
var trialObjects = []struct{ object, prefix, file string }{
	{"cases", "", "@\ncases: [{expect: 200}]"},
	{"case", "cases.", "cases: [{expect: 200, @}]"},
	{"case_request", "request.", "cases: [{request: {@}, expect: 200}]"},
	{"case_answer", "answer.", "cases: [{upstream: {@}, expect: 200}]"},
	{"call_match", "match.", ""},
	{"expect", "expect.", ""},
	{"expect_response", "response.", ""},
	{"expect_call", "message.", ""},
	{"cost", "cost.", ""},
}

var trialRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\| (?:`([^`]+)`)? *\\|")

// TestTesting_ListsEverySetting holds the tables of sdk/TESTING.md to what there is, and to
// what holds where nothing is written.
func TestTesting_ListsEverySetting(t *testing.T) {
	t.Parallel()
	var schema struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(config.CasesSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(testingDocument(t), "\n## Settings\n")
	rows := trialRow.FindAllStringSubmatch(text, -1)
	for _, o := range trialObjects {
		keys := slices.Sorted(maps.Keys(schema.Defs[o.object].Properties))
		if len(keys) == 0 {
			t.Errorf("the schema has no %s", o.object)
		}
		for _, key := range keys {
			i := slices.IndexFunc(rows, func(row []string) bool { return row[1] == o.prefix+key })
			switch {
			case key == "import": // of snippets, everywhere
			case i < 0:
				t.Errorf("sdk/TESTING.md does not list %s%s, of %s", o.prefix, key, o.object)
			default:
				if value := rows[i][2]; value != "" && casesText(t, o.file, key+": "+value) != casesText(t, o.file, "") {
					t.Errorf("sdk/TESTING.md says that this is the default: %s%s: %s", o.prefix, key, value)
				}
				rows = slices.Delete(rows, i, i+1)
			}
		}
	}
	for _, row := range rows {
		t.Errorf("sdk/TESTING.md lists %s, which there is not", row[1])
	}
}

var (
	trialPlaces = regexp.MustCompile(`"Pos":\{[^}]*\}`)
	trialLines  = regexp.MustCompile(`"Line":[0-9]+,"Col":[0-9]+`)
	yamlCases   = regexp.MustCompile("(?s)```yaml\n(# cases.yaml\n.*?)```")
)

// casesText is what a file of cases says, without the places where it does.
func casesText(t *testing.T, file, setting string) string {
	t.Helper()
	c, err := config.ParseCases("cases.yaml", []byte(strings.Replace(file, "@", setting, 1)), config.Options{Dir: "."})
	if err != nil && !(setting == "" && strings.Contains(file, "{}")) {
		t.Errorf("%s: %v", setting, err)
		return ""
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return trialLines.ReplaceAllString(trialPlaces.ReplaceAllString(string(text), ""), "")
}

func testingDocument(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../sdk/TESTING.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTesting_ExampleRuns runs the document's cases against the filter that they are about.
func TestTesting_ExampleRuns(t *testing.T) {
	t.Parallel()
	blocks := yamlCases.FindAllStringSubmatch(testingDocument(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("found %d examples, want 2", len(blocks))
	}
	file, dir := buildNotes(t), t.TempDir()
	for i, want := range []string{"fail", "ok"} { // the first is of another filter
		name := filepath.Join(dir, "cases.yaml")
		write(t, dir, "cases.yaml", blocks[i][1])
		code, out, errs := weirTest("filter", "test", file, name)
		if errs != "" || (code == 0) != (want == "ok") {
			t.Errorf("example %d: exit code %d: %s%s", i, code, errs, out)
		}
	}
}
