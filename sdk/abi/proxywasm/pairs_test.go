package proxywasm

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func collect(b []byte) []Pair {
	var all []Pair
	for k, v := range Pairs(b) {
		all = append(all, Pair{k, v})
	}
	return all
}

func TestPairs_AreWrittenAndReadAlike(t *testing.T) {
	t.Parallel()
	for _, want := range [][]Pair{
		{},
		{{"a", "1"}},
		{{":path", "/x?y"}, {"set-cookie", "a=1"}, {"set-cookie", "b=2"}, {"empty", ""}, {"", ""}},
		{{"bytes", "\xff\x00\x01"}},
	} {
		b := AppendPairs(nil, want)
		if len(b) != SizePairs(want) {
			t.Errorf("size of %q: got %d, want %d", want, SizePairs(want), len(b))
		}
		if err := CheckPairs(b); err != nil {
			t.Errorf("%q: got %v", want, err)
		}
		if got := collect(b); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPairs_HaveTheBytesOfTheABI(t *testing.T) {
	t.Parallel()
	want := []byte{1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 'k', 0, 'v', '1', 0}
	if got := AppendPairs(nil, []Pair{{"k", "v1"}}); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestPairs_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	good := string(AppendPairs(nil, []Pair{{"key", "value"}}))
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"one zero", "\x00", ""},
		{"no pairs", "\x00\x00\x00\x00", ""},
		{"one byte", "\x01", "lengths"},
		{"cut", good[:len(good)-1], "lengths"},
		{"more", good + "\x00", "lengths"},
		{"no zero behind the key", good[:15] + "x" + good[16:], "zero byte"},
		{"no zero behind the value", good[:len(good)-1] + "x", "zero byte"},
		{"count beyond the bytes", "\xff\x00\x00\x00", "bytes for"},
		{"huge count", "\xff\xff\xff\xff" + strings.Repeat("\x00", 100), "1,024"},
		{"huge length", "\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00", "lengths"},
		{"too long", strings.Repeat("\x00", MaxPairsBytes+1), "1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := CheckPairs([]byte(c.in))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if got := collect([]byte(c.in)); len(got) != 0 {
				t.Errorf("got %q of it", got)
			}
		})
	}
}

func FuzzPairs(f *testing.F) {
	f.Add(AppendPairs(nil, []Pair{{"a", "b"}, {"", "c"}}))
	f.Add([]byte{0})
	f.Add([]byte{255, 255, 255, 255, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		all := collect(b)
		if CheckPairs(b) != nil {
			if len(all) != 0 {
				t.Errorf("got %q of what is refused: % x", all, b)
			}
			return
		}
		if len(b) >= 4 && !bytes.Equal(AppendPairs(nil, all), b) {
			t.Errorf("read and written again: got % x, was % x", AppendPairs(nil, all), b)
		}
	})
}

func BenchmarkAppendPairs(b *testing.B) {
	pairs := []Pair{{":method", "GET"}, {":path", "/"}, {":authority", "example.com"}, {":scheme", "https"}, {"accept", "*/*"}, {"user-agent", "curl/8"}}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPairs(buf[:0], pairs)
	}
}
