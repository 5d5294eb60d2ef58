package weir

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// timers is a host that notes who asks for timers.
type timers struct {
	host.Host
	effective uint32
	asked     []uint32 // the roots' contexts
	answer    []byte
}

func (h *timers) Log(abi.Level, string)                               {}
func (h *timers) Now() int64                                          { return 0 }
func (h *timers) Property(string) ([]byte, abi.Status)                { return nil, abi.NotFound }
func (h *timers) SetEffectiveContext(id uint32) abi.Status            { h.effective = id; return abi.OK }
func (h *timers) Buffer(abi.Buffer, int, int) ([]byte, abi.Status)    { return h.answer, abi.OK }
func (h *timers) Reply(int, string, []byte, []byte, int32) abi.Status { return abi.OK }

func (h *timers) Foreign(name string, _ []byte) ([]byte, abi.Status) {
	switch name {
	case ext.Hello:
		return ext.AppendUint(nil, 1), abi.OK
	case ext.Timer:
		h.asked = append(h.asked, h.effective)
		return ext.AppendUint(nil, uint64(len(h.asked))), abi.OK
	}
	return nil, abi.NotFound
}

// TestPump_OutlivesTheRootThatItsTimerIsOf: an instance may be used at several places,
// and lose one of them. What the host would have told that it tells nobody.
func TestPump_OutlivesTheRootThatItsTimerIsOf(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	g := newGuest(map[string]maker{"": func(*Config) (Filter, error) {
		return func(r *Request, _ Next) (*Response, error) {
			return Reply(200, ""), r.Detach(func(*Detached) { <-over }, func() {})
		}, nil
	}})
	h := &timers{}
	defer host.Enter(h)()
	for id := range uint32(4) {
		g.OnContextCreate(id+1, 0)
		g.OnConfigure(id+1, 0)
	}
	g.OnContextCreate(10, 1)
	g.OnRequestHeaders(10, 0, true)
	for range 100 {
		last := h.asked[len(h.asked)-1]
		if last != 1 {
			n := len(h.asked)
			g.OnDelete(last)
			if len(h.asked) == n {
				t.Fatal("nobody calls any longer")
			}
			return
		}
		h.answer = ext.AppendUint(ext.AppendUint(nil, uint64(len(h.asked))), 0)
		g.OnForeign(1, ext.Answer, len(h.answer))
	}
}

// TestEvery_EndsWithItsConfiguration: what the one of before does in the background ends
// when there is another, and when the root ends; one that is refused ends nothing.
func TestEvery_EndsWithItsConfiguration(t *testing.T) {
	t.Parallel()
	wrong := false
	g := newGuest(map[string]maker{"": func(c *Config) (Filter, error) {
		c.Every(time.Second, false, func() {})
		if wrong {
			c.Fail("it", "is wrong")
		}
		return func(r *Request, next Next) (*Response, error) { return next(r) }, nil
	}})
	defer host.Enter(&timers{})()
	for _, root := range []uint32{1, 2} {
		g.OnContextCreate(root, 0)
		g.OnConfigure(root, 0)
		g.OnConfigure(root, 0)
	}
	wrong = true
	if g.OnConfigure(1, 0) || g.Waiting() != 2 {
		t.Errorf("%d in the background of two roots", g.Waiting())
	}
	g.OnDelete(1)
	if g.Waiting() != 1 || len(g.lates) != 1 {
		t.Errorf("%d in the background of one root, %d answers awaited", g.Waiting(), len(g.lates))
	}
	g.OnDelete(2)
	if g.Waiting() != 0 || len(g.lates) != 0 {
		t.Errorf("%d in the background of none, %d answers awaited", g.Waiting(), len(g.lates))
	}
}

// hurried is a host whose clock goes on by a millisecond whenever somebody looks.
type hurried struct {
	timers
	now int64
}

func (h *hurried) Now() int64 { h.now += 1e6; return h.now }

// TestPump_LeavesWorkForLater: what many goroutines want done is done in several calls,
// none of which computes for long, and the host is asked to call again at once.
func TestPump_LeavesWorkForLater(t *testing.T) {
	t.Parallel()
	g := newGuest(nil)
	h := &hurried{}
	defer host.Enter(h)()
	g.OnContextCreate(1, 0)
	const many = 20
	done := 0
	d := &Detached{g: g, root: 1}
	for range many {
		d.finally(func() { done++ })
	}
	g.outside.live = 1
	calls := 0
	for ; done < many; calls++ {
		if before := done; calls > 0 && g.outside.wait != 0 {
			t.Errorf("after %d calls, %d are done, and the next is in %d ms", calls, before, g.outside.wait)
		}
		h.answer = ext.AppendUint(ext.AppendUint(nil, uint64(g.outside.token)), 0)
		if g.OnForeign(1, ext.Answer, len(h.answer)); done > (calls+1)*5 {
			t.Fatalf("%d are done in %d calls", done, calls+1)
		}
	}
	for range 16 * 6 {
		h.answer = ext.AppendUint(ext.AppendUint(nil, uint64(g.outside.token)), 0)
		g.OnForeign(1, ext.Answer, len(h.answer))
	}
	if g.outside.wait != longestWait {
		t.Errorf("where nothing happens, the next call is in %d ms, want %d", g.outside.wait, longestWait)
	}
}
