package proxywasm

import (
	"strings"
	"testing"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// Fields that guests write are in the host's memory, not in theirs.
func TestSecurity_W10_FieldsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var s *stream
	req := newRequest()
	r.held(func() { s = newStream(r.i, r.rt, req) })
	long := strings.Repeat("x", 1<<20)
	for range 20 {
		if st := r.callIn(&s.guestContext, "proxy_add_header_map_value", int(abi.RequestHeaders), "x-long", long); st != abi.OK {
			t.Fatalf("got status %d, which guests in Rust panic over", st)
		}
	}
	got := headBytes(&req.Header)
	if got < 1<<20 || got > guest.MostFields {
		t.Errorf("the header has %d bytes after 20 MiB were added, want a few MiB and at most %d", got, guest.MostFields)
	}
	// What no field can be called is not looked for.
	for name, args := range map[string][]any{
		"proxy_get_header_map_value":    {int(abi.RequestHeaders), long, rigSlots, rigSlots + 4},
		"proxy_remove_header_map_value": {int(abi.RequestHeaders), long},
	} {
		r.callIn(&s.guestContext, name, args...)
	}
	if n := cap(r.i.scratch); n > 1<<18 {
		t.Errorf("the instance keeps %d bytes of a name", n)
	}
	s.End(req)
}
