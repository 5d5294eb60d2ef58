package trial

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

func TestContent_IsWhatTheCaseSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		body Body
		want string
		size int64
	}{
		{"nothing", Body{}, "", 0},
		{"a text", Body{Text: "abc"}, "abc", 3},
		{"a text often", Body{Text: "abc", Times: 100_001}, strings.Repeat("abc", 100_001), 300_003},
		{"a long text", Body{Text: strings.Repeat("x", 3*block), Times: 2}, strings.Repeat("x", 6*block), 6 * block},
		{"nothing often", Body{Times: 1 << 40}, "", 0},
		{"chunks", Body{Chunks: []string{"a", "", "bc"}}, "abc", -1},
		{"no chunks", Body{Chunks: []string{}}, "", -1},
	} {
		ended := 0
		c := newContent(&tt.body, func() { ended++ })
		if c.Len() != tt.size {
			t.Errorf("%s: %d bytes, want %d", tt.name, c.Len(), tt.size)
		}
		got, err := io.ReadAll(c)
		if string(got) != tt.want || err != nil || ended != 1 || tt.size >= 0 && c.Len() != 0 {
			t.Errorf("%s: got %d bytes, %v, ended %d times", tt.name, len(got), err, ended)
		}
	}
}

func TestContent_ComesInChunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newContent(&Body{Chunks: []string{"ab", "c"}}, nil)
		c.pause = time.Second
		var sizes []int
		began := time.Now()
		if c.Buffered() != 2 {
			t.Errorf("%d bytes without waiting, want 2", c.Buffered())
		}
		for {
			b := make([]byte, 10)
			n, err := c.Read(b)
			if err == io.EOF {
				break
			}
			sizes = append(sizes, n)
		}
		if took := time.Since(began); !slices.Equal(sizes, []int{2, 1}) || took != time.Second || c.Buffered() != 0 {
			t.Errorf("got %v after %v", sizes, took)
		}
	})
}

func TestContent_StopsWaiting(t *testing.T) {
	t.Parallel()
	c := newContent(&Body{Chunks: []string{"a", "b"}}, nil)
	c.pause = time.Hour
	b := make([]byte, 10)
	if n, err := c.Read(b); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	c.Interrupt(exchange.ErrPause)
	c.Interrupt(errors.New("the second is not needed"))
	if n, err := c.Read(b); n != 0 || err != exchange.ErrPause {
		t.Errorf("got %d, %v", n, err)
	}
	c.pause = 0
	if n, err := c.Read(b); n != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestContent_BreaksOff(t *testing.T) {
	t.Parallel()
	c := newContent(&Body{Text: "abc"}, func() { t.Error("trailers came") })
	c.cut = true
	if got, err := io.ReadAll(c); string(got) != "abc" || err != errCut {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestGot_KeepsTheBeginningOfALongBody(t *testing.T) {
	t.Parallel()
	var g Got
	g.keep(newContent(&Body{Text: "0123456789", Times: 7 << 20}, nil))
	if len(g.Body) != mostKept || g.Size != 70<<20 || g.Err != nil {
		t.Errorf("kept %d of %d bytes, %v", len(g.Body), g.Size, g.Err)
	}
}
