package redis

import (
	"bytes"
	"strconv"
	"testing"
)

func FuzzParseEntry(f *testing.F) {
	for _, s := range []string{"", "1 0\n", "1764529000123456 1764529000123\nvalue", "1 2 3\n", "\n", "1 0", "01 0\nx", "+1 0\nx"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := parseEntry("k", bytes.Clone(raw))
		if err != nil {
			return
		}
		if e.Version == 0 || e.Key != "k" || !bytes.HasSuffix(raw, append([]byte("\n"), e.Value...)) {
			t.Fatalf("%q: %+v", raw, e)
		}
		if head := bytes.IndexByte(raw, '\n'); head < 0 || len(e.Value) != len(raw)-head-1 {
			t.Fatalf("%q: value %q", raw, e.Value)
		}
	})
}

func FuzzParseInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n\r\n")
	f.Add(":\n::\n")
	f.Fuzz(func(t *testing.T, text string) {
		info := parseInfo(text)
		_ = older(info["redis_version"], 6, 2)
		_ = older(text, 6, 2)
	})
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"6.0.16": true, "6.2.0": false, "7.0.15": false, "5.0.3": true, "255.255.255": false, "": false, "8": false} {
		if got := older(version, 6, 2); got != want {
			t.Errorf("older(%s): got %s", strconv.Quote(version), strconv.FormatBool(got))
		}
	}
}
