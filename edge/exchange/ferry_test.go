package exchange

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// portions is a reader that gives so much at a time, and notes what it was offered.
type portions struct {
	sizes   []int
	offered []int
	end     error
}

func (p *portions) Read(b []byte) (int, error) {
	p.offered = append(p.offered, len(b))
	if len(p.sizes) == 0 {
		return 0, p.end
	}
	n := min(len(b), p.sizes[0])
	if p.sizes[0] -= n; p.sizes[0] == 0 {
		p.sizes = p.sizes[1:]
	}
	for i := range b[:n] {
		b[i] = byte(n + i)
	}
	return n, nil
}

// TestFerry_HoldsLittleWhileItWaits looks at the buffers that each read is offered.
func TestFerry_HoldsLittleWhileItWaits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		sizes, offer []int
	}{
		{"short", []int{3, 500}, []int{512, 512, 512}},
		{"longer", []int{600}, []int{512, ferryLoad, 512}},
		{"records", []int{16 << 10, 16 << 10, 100}, []int{512, ferryLoad, ferryLoad, ferryLoad, 512}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := &portions{sizes: append([]int(nil), tt.sizes...), end: io.EOF}
			var dst bytes.Buffer
			n, err := Ferry(struct{ io.Writer }{&dst}, src, nil)
			want := 0
			for _, s := range tt.sizes {
				want += s
			}
			if n != int64(want) || dst.Len() != want || err != nil {
				t.Errorf("got %d, wrote %d, %v; want %d", n, dst.Len(), err, want)
			}
			if len(src.offered) != len(tt.offer) {
				t.Fatalf("offered %v, want %v", src.offered, tt.offer)
			}
			for i := range tt.offer {
				if src.offered[i] != tt.offer[i] {
					t.Fatalf("offered %v, want %v", src.offered, tt.offer)
				}
			}
		})
	}
}

func TestFerry_ErrorsAndBulk(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if n, err := Ferry(io.Discard, &portions{sizes: []int{4}, end: broken}, nil); n != 4 || err != broken {
		t.Errorf("failing source: %d, %v; want 4, %v", n, err, broken)
	}
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if n, err := Ferry(w, &portions{sizes: []int{4}, end: io.EOF}, nil); n != 0 || err != broken {
		t.Errorf("failing destination: %d, %v; want 0, %v", n, err, broken)
	}
	called := 0
	n, err := Ferry(io.Discard, &portions{sizes: []int{10 * ferryLoad}, end: broken}, func() (int64, error) {
		if called++; called < 3 {
			return 7, nil
		}
		return 1, io.EOF
	})
	// The first bytes go through the small buffer, then a load fills up before each call.
	if want := int64(512 + 3*ferryLoad + 15 + 2*512); n != want || err != nil || called != 3 {
		t.Errorf("bulk: %d, %v after %d calls; want %d, nil, 3", n, err, called, want)
	}
}
