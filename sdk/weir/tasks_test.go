package weir_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// TestWriter_OfTwoTasks: two that write an answer at the same time do not keep each other
// from going on.
func TestWriter_OfTwoTasks(t *testing.T) {
	t.Parallel()
	var errs [2]error
	begin := make(chan struct{})
	h := sdktest.New(t, sdktest.Limits(10, 64), sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200)
		if err != nil {
			return nil, err
		}
		err = r.Detach(func(d *weir.Detached) {
			done := make(chan struct{})
			for i := range errs {
				go func() {
					<-begin
					d.Do(func() {
						for range 20 {
							if _, errs[i] = w.WriteString("x"); errs[i] != nil {
								return
							}
						}
					})
					done <- struct{}{}
				}()
			}
			<-done
			<-done
		}, func() {})
		return nil, err
	}))
	x := h.Open(&sdktest.Request{})
	x.Stall()
	x.End()
	close(begin)
	for range 50 {
		h.Advance(time.Millisecond)
	}
	x.Resume()
	for range 100 {
		h.Advance(time.Millisecond)
	}
	if !x.Done() {
		t.Fatal("they wait for ever")
	}
	if err := errors.Join(errs[:]...); err != nil {
		t.Error(err)
	}
	same(t, "length", len(x.Response().Body), 40)
}
