package compress

import (
	"bytes"
	"testing"
)

// Two contents whose hashes collide must not get each other's answer.
func TestCacheComparesContent(t *testing.T) {
	t.Parallel()
	c := newCache(1 << 20)
	one, two := []byte("one"), []byte("two")
	id := c.identify(one, gzip)
	c.store(id, one, []byte("1"))
	if got, _ := c.find(id, one); string(got) != "1" {
		t.Errorf("same content: got %q, want 1", got)
	}
	if got, seen := c.find(id, two); got != nil || seen {
		t.Errorf("other content, same hash: got %q, seen %t, want nothing", got, seen)
	}
}

func TestCacheStaysWithinItsSize(t *testing.T) {
	t.Parallel()
	c := newCache(10_000)
	page := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000) }
	for i := range 50 {
		plain := page(i)
		id := c.identify(plain, brotli)
		if out, seen := c.find(id, plain); out != nil || seen {
			t.Fatalf("page %d: got %d bytes, seen %t before it was there", i, len(out), seen)
		}
		if _, seen := c.find(id, plain); !seen {
			t.Errorf("page %d: not seen the second time", i)
		}
		c.store(id, plain, plain[:100])
		if first := page(0); i > 0 { // used again and again, so it stays
			if out, _ := c.find(c.identify(first, brotli), first); out == nil {
				t.Errorf("after page %d: the page that is used most is gone", i)
			}
		}
		if c.size > c.max || len(c.entries) != c.recent.Len() {
			t.Fatalf("after page %d: got %d bytes, %d entries, %d in order; want at most %d bytes", i, c.size, len(c.entries), c.recent.Len(), c.max)
		}
	}
	if got := len(c.entries); got != 7 { // of 1300 bytes each
		t.Errorf("got %d entries, want 7", got)
	}
	big := make([]byte, 20_000)
	c.store(c.identify(big, gzip), big, big[:10])
	if got := len(c.entries); got != 7 {
		t.Errorf("after one that is too big: got %d entries, want 7", got)
	}
}
