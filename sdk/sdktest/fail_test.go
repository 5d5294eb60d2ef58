package sdktest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// failing is a test that is expected to fail: it keeps why.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Failed() bool { return f.text != "" || f.TB.Failed() }

func (f *failing) Fatalf(format string, a ...any) {
	f.text = fmt.Sprintf(format, a...)
	runtime.Goexit()
}

// fails returns what a test fails with that runs f as a filter.
func fails(t *testing.T, f weir.Filter, test func(h *sdktest.Host)) string {
	t.Helper()
	failed, done := &failing{TB: t}, make(chan struct{})
	h := sdktest.New(failed, sdktest.Filter(f), sdktest.Patience(time.Minute), sdktest.Busy())
	go func() {
		defer close(done)
		test(h)
	}()
	<-done
	return failed.text
}

func through(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }

func get(h *sdktest.Host) { h.Get("/a") }

func TestFailures_SayWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	var nobodys chan struct{}
	for _, c := range []struct {
		name string
		f    weir.Filter
		test func(h *sdktest.Host)
		want []string
	}{
		{"an answer that is held", through, func(h *sdktest.Host) {
			h.Next(func(*sdktest.Request) *sdktest.Answer { return nil })
			get(h)
		}, []string{"nothing will happen any longer", "GET /a, begun at fail_test.go:", "see Exchange.Answer"}},
		{"a call that is held", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			for {
				if _, err := weir.Fetch("users", &weir.Call{}); errors.Is(err, weir.ErrGone) {
					return nil, err
				}
			}
		}, func(h *sdktest.Host) {
			h.Upstream("users", nil)
			get(h)
		}, []string{"after 1m0s by the host's clock", "the filter has not let the request go on"}},
		{"a body that is not sent", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			_, _ = r.Body.ReadAll(100)
			return next(r)
		}, func(h *sdktest.Host) { h.Open(&sdktest.Request{}).Wait() }, []string{"more of the request's body: see Send and End"}},
		{"a client that does not read", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			w, err := r.Respond(200)
			for err == nil {
				_, err = w.WriteString("x")
				_ = weir.Sleep(time.Second)
			}
			return nil, err
		}, func(h *sdktest.Host) {
			x := h.Begin(&sdktest.Request{})
			x.Stall()
			x.Wait()
		}, []string{"the client does not read: see Resume"}},
		{"sleeping for ever", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			for weir.Sleep(time.Second) == nil {
			}
			return nil, nil
		}, get, []string{"after 1m0s"}},
		{"asking for ever", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			for r.Header.Get("x") == "" {
			}
			return nil, nil
		}, get, []string{"GET /a: ", "10000 functions of the host's without waiting"}},
		{"fetching for ever", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			for {
				if _, err := weir.Fetch("users", &weir.Call{}); err != nil {
					return nil, err
				}
			}
		}, func(h *sdktest.Host) {
			h.Upstream("users", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{} })
			get(h)
		}, []string{"things have happened at the same time", "GET /a"}},
		{"a panic", func(*weir.Request, weir.Next) (*weir.Response, error) { close(nobodys); return nil, nil }, get,
			[]string{"GET /a: the filter panics: close of nil channel"}},
		{"ends the test", func(*weir.Request, weir.Next) (*weir.Response, error) { runtime.Goexit(); return nil, nil }, get, []string{""}},
		{"answered twice", through, func(h *sdktest.Host) {
			x := h.Begin(&sdktest.Request{})
			x.Answer(&sdktest.Answer{})
		}, []string{"was answered before"}},
		{"answered too early", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			_ = weir.Sleep(time.Second)
			return next(r)
		}, func(h *sdktest.Host) { h.Begin(&sdktest.Request{}).Answer(&sdktest.Answer{}) }, []string{"has not come to what would answer it"}},
		{"sent too much", through, func(h *sdktest.Host) { h.Begin(&sdktest.Request{}).Send("x") }, []string{"the request has been sent whole"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := fails(t, c.f, c.test)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("failed with %q, want %q", got, want)
				}
			}
		})
	}
}

func TestFailures_OfAFilterThatCallsItsTest(t *testing.T) {
	t.Parallel()
	var h *sdktest.Host
	got := fails(t, func(*weir.Request, weir.Next) (*weir.Response, error) {
		h.Get("/b")
		return nil, nil
	}, func(its *sdktest.Host) {
		h = its
		get(h)
	})
	if !strings.Contains(got, "the filter calls the host of its test") {
		t.Errorf("failed with %q", got)
	}
}

func TestFailures_OfAConfiguration(t *testing.T) {
	t.Parallel()
	failed, done := &failing{TB: t}, make(chan struct{})
	h := sdktest.New(failed, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) { return through, nil }, `{"a": 1}`))
	if err := h.Refused(); err == nil || !strings.Contains(err.Error(), "a: is not known here") {
		t.Errorf("refused: %v", err)
	}
	go func() {
		defer close(done)
		get(h)
	}()
	<-done
	if !strings.Contains(failed.text, "a: is not known here") {
		t.Errorf("failed with %q", failed.text)
	}
}

// A filter that computes for ever cannot be stopped: it ends the process, and says why.
func TestFailures_OfAFilterThatComputesForEver(t *testing.T) {
	if os.Getenv("SDKTEST_COMPUTES") != "" {
		sdktest.New(t, sdktest.Impatient(), sdktest.Filter(func(*weir.Request, weir.Next) (*weir.Response, error) {
			for n := 0; ; n++ {
				if n < 0 {
					return nil, nil
				}
			}
		})).Get("/for/ever")
		return
	}
	t.Parallel()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), "SDKTEST_COMPUTES=1")
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "sdktest: GET /for/ever, begun at fail_test.go:") ||
		!strings.Contains(string(out), "without waiting for anything of the host's") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWarnings_OfWhatHostsPutUpWith(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		f          weir.Filter
	}{
		{"a header that has gone on", "x-a was changed in a header", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			resp, err := next(r)
			r.Header.Set("x-a", "1")
			return resp, err
		}},
		{"what is the host's", `"connection" was set`, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			r.Header.Set("Connection", "close")
			return next(r)
		}},
		{"a status that is none", "an answer with the status 99", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			return weir.Reply(99, ""), nil
		}},
		{"hints that come late", "informed after the answer", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			w, err := r.Respond(200)
			if err == nil {
				_ = r.Inform(103)
				_, err = w.WriteString("x")
			}
			return nil, err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := sdktest.New(t, sdktest.Filter(c.f))
			h.Get("/")
			if w := h.Warnings(); len(w) != 1 || !strings.Contains(w[0], c.want) {
				t.Errorf("warnings: %q, want %q", w, c.want)
			}
		})
	}
}
