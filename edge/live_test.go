package edge

import (
	"io"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// events is a body that comes piece by piece, each when it is asked for.
type events struct {
	pieces chan string
	length int64
}

func (e *events) Len() int64    { return e.length }
func (e *events) Buffered() int { return 0 }
func (e *events) Close() error  { return nil }

func (e *events) Read(p []byte) (int, error) {
	if e.length == 0 {
		return 0, io.EOF
	}
	s, ok := <-e.pieces
	if !ok {
		return 0, io.EOF
	}
	if e.length >= 0 {
		e.length -= int64(len(s))
	}
	return copy(p, s), nil
}

// TestLive_NothingIsHeldBack: the head comes before the first piece, and each piece
// before the next one, whether the length is known or not.
func TestLive_NothingIsHeldBack(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"unknown length": -1, "known length": 12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := make(chan chan string, 1)
			f := newFixture(t, Options{})
			f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
				resp := r.NewResponse(200)
				resp.Body = &events{<-next, length}
				return resp, nil
			})}}))
			for _, p := range protocols {
				pieces := make(chan string)
				next <- pieces
				resp, err := f.client(t, p.name).Get(p.scheme + "://a.test/")
				if err != nil {
					t.Fatalf("%s: %v", p.name, err)
				}
				for _, want := range []string{"one.", "two.", "end."} {
					pieces <- want
					got := make([]byte, len(want))
					if _, err := io.ReadFull(resp.Body, got); string(got) != want {
						t.Fatalf("%s: got %q, %v; want %q", p.name, got, err, want)
					}
				}
				close(pieces)
				if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
					t.Errorf("%s: got %q, %v; want the end", p.name, rest, err)
				}
				resp.Body.Close()
			}
		})
	}
}
