package dns01_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/dns01"
)

// overHTTP are the providers whose API is one, acme-dns included.
func overHTTP() []subject {
	all := slices.DeleteFunc(subjects(), func(s subject) bool { return s.api == nil })
	return append(all, subject{
		"acme-dns", "acme-dns",
		func() func(*world, http.ResponseWriter, *http.Request) { return acmeDNSAPI }, "/api",
		map[string]string{"username": acmeUser, "password": theToken, "subdomain": acmeSub}, false,
	})
}

// faulty is a provider with a world, and the zone and name that it can change.
func (s subject) faulty(t *testing.T, w *world, change ...string) (p dns01.Provider, zone, at string) {
	set := map[string]string{}
	maps.Copy(set, s.set)
	for i := 0; i < len(change); i += 2 {
		if set[change[i]] != "" {
			set[change[i]] = change[i+1]
		}
	}
	where, zone, at := "endpoint", "example.com.", "_acme-challenge"
	if s.kind == "acme-dns" {
		where, zone, at = "server", "auth.example.org.", acmeSub
	}
	set[where] = w.serve(t, s.api()) + s.path
	p, err := dns01.Open(s.kind, set)
	if err != nil {
		t.Fatal(err)
	}
	dns01.Impatient(p, 20*time.Second)
	return p, zone, at
}

// each runs f for every provider.
func eachHTTP(t *testing.T, f func(t *testing.T, s subject)) {
	t.Parallel()
	for _, s := range overHTTP() {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); f(t, s) })
	}
}

func TestFaults_WrongCredentialsAreSaidWithoutThem(t *testing.T) {
	eachHTTP(t, func(t *testing.T, s subject) {
		w := newWorld()
		const wrong = "wrong-and-secret-all-the-same"
		p, zone, at := s.faulty(t, w, "token", wrong, "password", wrong, "secret_key", wrong)
		_, err := p.AppendRecords(t.Context(), zone, text(at, someText))
		e, ok := errors.AsType[*dns01.APIError](err)
		if !ok || e.Status != 401 && e.Status != 403 {
			t.Fatalf("error %v, want 401 or 403", err)
		}
		if e.Provider != s.kind || e.Operation == "" || e.Message == "" {
			t.Errorf("error %#v does not tell provider, operation and message", e)
		}
		if strings.Contains(err.Error(), wrong) {
			t.Errorf("error shows the secret: %v", err)
		}
		if n := len(w.asked()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestFaults_RateLimitIsWaitedFor(t *testing.T) {
	eachHTTP(t, func(t *testing.T, s subject) {
		w := newWorld()
		p, zone, at := s.faulty(t, w)
		var limited, again atomic.Int64
		w.setFault(func(n int, rw http.ResponseWriter, _ *http.Request) bool {
			if limited.CompareAndSwap(0, time.Now().UnixNano()) {
				rw.Header().Set("Retry-After", "1")
				rw.WriteHeader(429)
				return true
			}
			again.CompareAndSwap(0, time.Now().UnixNano())
			return false
		})
		if _, err := p.AppendRecords(t.Context(), zone, text(at, someText)); err != nil {
			t.Fatal(err)
		}
		if d := time.Duration(again.Load() - limited.Load()); d < time.Second {
			t.Errorf("asked again after %v, want at least the second that the API asked for", d)
		}
	})
}

func TestFaults_LongRateLimitIsToldToTheCaller(t *testing.T) {
	eachHTTP(t, func(t *testing.T, s subject) {
		w := newWorld()
		p, zone, at := s.faulty(t, w)
		w.setFault(func(_ int, rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Retry-After", "3600")
			rw.WriteHeader(429)
			_, _ = io.WriteString(rw, `{"detail":"Request was throttled.","message":"Request was throttled."}`)
			return true
		})
		_, err := p.AppendRecords(t.Context(), zone, text(at, someText))
		if e, ok := errors.AsType[*dns01.APIError](err); !ok || e.RetryAfter != time.Hour {
			t.Errorf("error %v, want an APIError with RetryAfter of an hour", err)
		}
		if n := len(w.asked()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestFaults_PassingFailureIsTriedAgain(t *testing.T) {
	eachHTTP(t, func(t *testing.T, s subject) {
		if s.kind == "acme-dns" {
			return // see TestACMEDNS_SendsNoUpdateTwice
		}
		w := newWorld()
		p, zone, at := s.faulty(t, w)
		w.setFault(func(n int, rw http.ResponseWriter, _ *http.Request) bool {
			switch n {
			case 1:
				rw.WriteHeader(500)
			case 2:
				panic(http.ErrAbortHandler) // the connection is cut
			}
			return n <= 2
		})
		if _, err := p.AppendRecords(t.Context(), zone, text(at, someText)); err != nil {
			t.Fatal(err)
		}
		if got := w.values("_acme-challenge.example.com", "TXT"); len(got) != 1 {
			t.Errorf("values are %q", got)
		}
	})
}

// Every answer here must end as an error, soon, and without much memory.
func TestFaults_HostileAnswersAreErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(rw http.ResponseWriter, r *http.Request)
		want   string // of the error, if it says always the same
	}{
		{"server error", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(501) }, "501"},
		{"not found without end", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(404); flood(rw, "x") }, ""},
		{"html", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "<html>It works!") }, "read answer"},
		{"empty", func(http.ResponseWriter, *http.Request) {}, ""},
		{"null", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "null") }, ""},
		{"body without end", func(rw http.ResponseWriter, _ *http.Request) { flood(rw, `{"a":"`) }, "more than 1048576 bytes"},
		{"deep", func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, strings.Repeat("[", 100_000))
		}, "read answer"},
		{"deep xml", func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, strings.Repeat("<a>", 100_000))
		}, "read answer"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or nobody notices that the client is gone
			<-r.Context().Done()
		}, ""},
		{"redirect", func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "check endpoint"},
		{"escapes", func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(400)
			_, _ = io.WriteString(rw, `{"message":"\u001b[2J\nbad","error":{"message":"\u001b[2J\nbad"},"errors":[{"message":"\u001b[2J\nbad"}],"detail":"\u001b[2J\nbad"}`)
		}, "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachHTTP(t, func(t *testing.T, s subject) {
				w := newWorld()
				p, zone, at := s.faulty(t, w)
				dns01.Impatient(p, 150*time.Millisecond)
				w.setFault(func(_ int, rw http.ResponseWriter, r *http.Request) bool { c.answer(rw, r); return true })
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := p.AppendRecords(ctx, zone, text(at, someText))
				if s.kind == "acme-dns" && (c.want == "read answer" || c.want == "" || strings.HasPrefix(c.want, "more")) {
					// What /update answers with success does not matter.
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v, want %q in it", err, c.want)
				}
				if ctx.Err() != nil {
					t.Errorf("it took until the context ended: %v", err)
				}
				if msg := err.Error(); len(msg) > 1000 || strings.ContainsAny(msg, "\x1b\n") || strings.Contains(msg, theToken) {
					t.Errorf("error is not fit to be shown: %.2000q", msg)
				}
				if !strings.Contains(err.Error(), s.kind) && !errors.Is(err, dns01.ErrNoZone) {
					t.Errorf("error does not name the provider: %v", err)
				}
			})
		})
	}
}

func flood(rw http.ResponseWriter, begin string) {
	_, _ = io.WriteString(rw, begin)
	chunk := []byte(strings.Repeat("x", 64<<10))
	for range 1000 { // 64 MB, if somebody reads it
		if _, err := rw.Write(chunk); err != nil {
			return
		}
	}
}

func TestFaults_RedirectGetsNoCredentials(t *testing.T) {
	eachHTTP(t, func(t *testing.T, s subject) {
		var stolen atomic.Int64
		thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
		defer thief.Close()
		w := newWorld()
		p, zone, at := s.faulty(t, w)
		w.setFault(func(_ int, rw http.ResponseWriter, r *http.Request) bool {
			http.Redirect(rw, r, thief.URL, http.StatusFound)
			return true
		})
		if _, err := p.AppendRecords(t.Context(), zone, text(at, someText)); err == nil {
			t.Error("no error")
		}
		if n := stolen.Load(); n > 0 {
			t.Errorf("%d requests went where the redirect pointed", n)
		}
	})
}
