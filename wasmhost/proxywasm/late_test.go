package proxywasm

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// serving are services for tests, by name.
type serving map[string]func(context.Context, []byte) ([]byte, abi.Status, error)

func (s serving) Has(name string) bool { return s[name] != nil }

func (s serving) Call(ctx context.Context, name string, argument []byte) ([]byte, abi.Status, error) {
	return s[name](ctx, argument)
}

// echoService answers with what it was asked.
func echoService(_ context.Context, b []byte) ([]byte, abi.Status, error) { return b, abi.OK, nil }

// fields makes fields of strings and numbers.
func fields(all ...any) string {
	var b []byte
	for _, a := range all {
		switch a := a.(type) {
		case string:
			b = ext.Append(b, a)
		case int:
			b = ext.AppendUint(b, uint64(a))
		case uint64:
			b = ext.AppendUint(b, a)
		}
	}
	return string(b)
}

// foreign calls a foreign function in a context, and returns its status and result.
func (r *rig) foreign(c *guestContext, name string, args ...any) (abi.Status, ext.Fields) {
	r.tb.Helper()
	st := r.callIn(c, "proxy_call_foreign_function", name, fields(args...), rigSlots, rigSlots+4)
	if st != abi.OK {
		return st, ext.Fields{}
	}
	return st, ext.Read([]byte(r.text(rigSlots)))
}

// begins calls one that answers later, and returns its token.
func (r *rig) begins(c *guestContext, name string, args ...any) uint64 {
	r.tb.Helper()
	st, f := r.foreign(c, name, args...)
	token := f.Uint()
	if st != abi.OK || f.End() != nil || token == 0 {
		r.tb.Fatalf("%s(%q): got %d, token %d, %v", name, args, st, token, f.End())
	}
	return token
}

// late waits for one, checks whose it is, and returns its status and the rest.
func (r *rig) late(token uint64) (abi.Status, ext.Fields) {
	r.tb.Helper()
	at := r.await("proxy_on_foreign_function")
	if root, id := r.uint32(at), r.uint32(at+4); root != r.rt.id || id != ext.Answer {
		r.tb.Fatalf("called for root %d, function %d; want %d, %d", root, id, r.rt.id, ext.Answer)
	}
	text := r.text(at + 32 + 4)
	if size := r.uint32(at + 8); int(size) != len(text) {
		r.tb.Errorf("got %d bytes, was told %d", len(text), size)
	}
	f := ext.Read([]byte(text))
	if got := f.Uint(); got != token {
		r.tb.Fatalf("answer has token %d, want %d", got, token)
	}
	return abi.Status(f.Uint()), f
}

func TestServices_AnswerLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ended := make(chan error, 1)
	r.plugin.Services = serving{
		"weir.say": func(_ context.Context, b []byte) ([]byte, abi.Status, error) {
			return append(b, fields("too")...), abi.OK, nil
		},
		"weir.none": func(context.Context, []byte) ([]byte, abi.Status, error) { return nil, abi.NotFound, nil },
		"weir.deny": func(context.Context, []byte) ([]byte, abi.Status, error) {
			return nil, ext.Denied, errors.New(strings.Repeat("x", 2000))
		},
		"weir.fail": func(context.Context, []byte) ([]byte, abi.Status, error) { return nil, abi.OK, errors.New("no") },
		"weir.wait": func(ctx context.Context, _ []byte) ([]byte, abi.Status, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, abi.OK, nil
		},
	}
	c := &r.rt.guestContext
	st, f := r.late(r.begins(c, "weir.say", "me"))
	if me, too := f.Text(), f.Text(); st != abi.OK || me != "me" || too != "too" || f.End() != nil {
		t.Errorf("say: got %d, %q, %q, %v", st, me, too, f.End())
	}
	if st, f := r.late(r.begins(c, "weir.none")); st != abi.NotFound || f.Text() != "" || f.End() != nil {
		t.Errorf("none: got %d, %v", st, f.End())
	}
	if st, f := r.late(r.begins(c, "weir.deny")); st != ext.Denied || len(f.Bytes()) != longestMessage || f.End() != nil {
		t.Errorf("deny: got %d, %v", st, f.End())
	}
	if st, f := r.late(r.begins(c, "weir.fail")); st != abi.InternalFailure || f.Text() != "no" || f.End() != nil {
		t.Errorf("fail: got %d, %v", st, f.End())
	}
	if st, _ := r.foreign(c, "weir.other"); st != abi.NotFound {
		t.Errorf("other: got %d, want %d", st, abi.NotFound)
	}
	for range r.plugin.Limits.Calls {
		r.begins(c, "weir.wait")
	}
	if st, _ := r.foreign(c, "weir.wait"); st != abi.InternalFailure {
		t.Errorf("one too many: got %d, want %d", st, abi.InternalFailure)
	}
	r.guests.Close()
	for range r.plugin.Limits.Calls {
		if err := <-ended; err != errCanceled {
			t.Errorf("ended by %v, want %v", err, errCanceled)
		}
	}
	r.silent()
}
