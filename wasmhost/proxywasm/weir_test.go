package proxywasm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

func TestHello_TellsTheVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	c := &r.rt.guestContext
	if st, f := r.foreign(c, ext.Hello); st != abi.OK || f.Uint() != ext.Version || f.End() != nil {
		t.Errorf("got %d, %v", st, f.End())
	}
	if st, _ := r.foreign(c, ext.Hello, 1); st != abi.BadArgument {
		t.Errorf("with an argument: got %d", st)
	}
	if st, _ := r.foreign(c, "weir.goodbye"); st != abi.NotFound {
		t.Errorf("an unknown function: got %d", st)
	}
}

func TestRandom_GivesBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	c := &r.rt.guestContext
	seen := map[string]bool{}
	for _, n := range []int{16, 16, 65536} {
		st, f := r.foreign(c, ext.Random, n)
		text := f.Text()
		if st != abi.OK || len(text) != n || f.End() != nil || seen[text] {
			t.Errorf("got %d, %d bytes, %v", st, len(text), f.End())
		}
		seen[text] = true
	}
	for _, args := range [][]any{{}, {0}, {65537}, {"16"}, {16, 16}} {
		if st, _ := r.foreign(c, ext.Random, args...); st != abi.BadArgument {
			t.Errorf("%v: got %d", args, st)
		}
	}
}

func TestTimer_GoesOffInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.guests.Close()
		c := &r.rt.guestContext
		began := time.Now()
		late, soon := r.begins(c, ext.Timer, 5000), r.begins(c, ext.Timer, 2000)
		at := r.begins(c, ext.Timer, 0)
		for _, want := range []struct {
			token uint64
			after time.Duration
		}{{at, 0}, {soon, 2 * time.Second}, {late, 5 * time.Second}} {
			if st, f := r.late(want.token); st != abi.OK || f.End() != nil {
				t.Errorf("got %d, %v", st, f.End())
			}
			if after := time.Since(began).Truncate(time.Second); after != want.after {
				t.Errorf("went off after %v, want %v", after, want.after)
			}
		}
		for range r.plugin.Limits.Calls {
			r.begins(c, ext.Timer, 1000)
		}
		if st, _ := r.foreign(c, ext.Timer, 1); st != abi.InternalFailure {
			t.Errorf("one too many: got %d", st)
		}
		for _, args := range [][]any{{}, {"1"}, {1, 1}, {uint64(1 << 63)}, {24*60*60*1000 + 1}} {
			if st, _ := r.foreign(c, ext.Timer, args...); st != abi.BadArgument {
				t.Errorf("%v: got %d", args, st)
			}
		}
		r.guests.Close() // and none goes off any longer
		time.Sleep(10 * time.Second)
		r.silent()
	})
}
