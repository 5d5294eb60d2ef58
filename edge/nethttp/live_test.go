package nethttp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// flushes counts how often a response is flushed.
type flushes struct {
	*httptest.ResponseRecorder
	n int
}

func (f *flushes) FlushError() error { f.n++; return nil }

// ready is a body of so many pieces, of which some are there without waiting.
type ready struct{ left, length, there int }

func (b *ready) Len() int64   { return int64(b.length) }
func (b *ready) Close() error { return nil }
func (b *ready) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	b.left--
	b.there--
	if b.length > 0 {
		b.length -= 10
	}
	return 10, nil
}

// telling is a ready that tells.
type telling struct{ *ready }

func (b telling) Buffered() int { return max(0, 10*b.there) }

// TestLive_FlushesWhereABodyPauses, and only there: bulk goes out in full frames.
func TestLive_FlushesWhereABodyPauses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		body exchange.Body
		mime string
		want int
	}{
		{"waits from the start", telling{&ready{3, -1, 0}}, "", 4},
		{"begins at once", telling{&ready{3, -1, 2}}, "", 2},
		{"all there", telling{&ready{3, -1, 99}}, "", 0},
		{"known length, waits", telling{&ready{3, 30, 0}}, "", 3},
		{"known length, all there", telling{&ready{3, 30, 99}}, "", 0},
		{"cannot tell", &ready{3, -1, 0}, "", 3},
		{"cannot tell, events", &ready{3, -1, 0}, "text/event-stream; charset=utf-8", 4},
		{"cannot tell, known length", &ready{3, 30, 0}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &flushes{ResponseRecorder: httptest.NewRecorder()}
			r, _ := http.NewRequest("GET", "https://example.com/", nil)
			s := newServer(Options{}, exchange.HTTP2)
			st := new(stream)
			st.clock = &s.watch.now
			st.begin(s, f, r, &exchange.Conn{})
			resp := st.req.NewResponse(200)
			resp.Body = tt.body
			if tt.mime != "" {
				resp.Header.Set("content-type", tt.mime)
			}
			if err := st.Respond(&st.req, resp); err != nil || f.Body.Len() != 30 {
				t.Fatalf("%v, sent %d; want nil and 30", err, f.Body.Len())
			}
			if f.n != tt.want {
				t.Errorf("%d flushes, want %d", f.n, tt.want)
			}
		})
	}
}
