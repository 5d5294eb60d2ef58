package issuer_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
)

// Some authorities notice late that everything is authorized, and take their time to sign.
func TestObtain_FromSlowAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	var polls atomic.Int64
	w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		switch certstest.Kind(r) {
		case "poll":
			switch n := polls.Add(1); {
			case n <= 3:
				edit(t, a, func(doc map[string]any) { doc["status"] = "pending" })
			case n == 5:
				edit(t, a, func(doc map[string]any) { doc["status"] = "processing" })
				a.Header.Set("Retry-After", "1")
			}
		case "finalize":
			if a.Status < 300 {
				edit(t, a, func(doc map[string]any) { doc["status"] = "processing"; delete(doc, "certificate") })
			}
		}
	})
	obtain(t, w.ca, w.issuer(t, w.node, nil), issuer.Order{Names: []string{"example.com"}})
	if got := polls.Load(); got < 5 || got > 12 {
		t.Errorf("the order was asked for %d times", got)
	}
}

func TestObtain_EndsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "authz" && strings.Contains(string(a.Body), "challenges") {
			edit(t, a, func(doc map[string]any) { doc["status"] = "pending" })
		}
	})
	began := time.Now()
	i := w.issuer(t, w.node, func(o *issuer.Options) { o.Timeout = time.Second })
	says(t, fails(t, i, "example.com"), "", issuer.HTTP01, "the time for it was up", "get through")
	if took := time.Since(began); took > 5*time.Second*slow {
		t.Errorf("an order with a second's time took %v", took)
	}
	if left := w.shared.Keys(issuer.ChallengePrefix); len(left) > 0 {
		t.Errorf("left in the store: %q", left)
	}
}

func TestObtain_ManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{AlwaysValid: true, NonceReject: 5})
	i := w.issuer(t, w.node, nil)
	const orders = 40
	var work sync.WaitGroup
	for n := range orders {
		work.Go(func() {
			if _, err := i.Obtain(t.Context(), issuer.Order{Names: []string{strconv.Itoa(n) + ".example.com"}, Key: newKey(t)}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if got := w.shared.Calls("lock"); got != 1 {
		t.Errorf("the store was asked for a lock %d times, want once", got)
	}
	if got := len(w.ca.Orders()); got != orders || w.ca.Accounts() != 1 || w.ca.Asked("directory") != 1 {
		t.Errorf("orders %d, accounts %d, directories %d; want %d, 1 and 1", got, w.ca.Accounts(), w.ca.Asked("directory"), orders)
	}
}

// An authority on this machine may do without TLS.
func TestObtain_FromThisMachineWithoutTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{}) // Pebble itself wants TLS for all but its directory
	behind, err := url.Parse(w.ca.Directory)
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(&httputil.ReverseProxy{Transport: w.ca.Client().Transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", behind.Host, r.In.Host
		r.Out.Header.Set("X-Forwarded-Proto", "http")
	}})
	defer plain.Close()
	i := w.issuer(t, w.node, func(o *issuer.Options) { o.Directory = plain.URL + "/dir" })
	if profiles, _, _, err := i.Directory(t.Context()); err != nil || len(profiles) != 1 {
		t.Errorf("Directory = %v, %v", profiles, err)
	}
	for _, dir := range []string{"http://ca.example/dir", "http://localhost.example/dir", "ftp://localhost/dir", "https:///dir"} {
		if _, err := issuer.New(issuer.Options{Directory: dir, Store: w.store, Answers: w.answers}); err == nil {
			t.Errorf("New with %s is no error", dir)
		}
	}
}

// slowSolver publishes at once, and takes its time to take back.
type slowSolver struct {
	txt
	presented, cleaning, finish chan struct{}
}

func (s slowSolver) Wait(ctx context.Context, _ acme.Challenge) error {
	close(s.presented)
	<-ctx.Done()
	return ctx.Err()
}

func (s slowSolver) CleanUp(ctx context.Context, c acme.Challenge) error {
	close(s.cleaning)
	<-s.finish
	return s.txt.CleanUp(ctx, c)
}

// Who breaks an order off may hold a lock, and is not kept.
func TestObtain_BrokenOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	s := slowSolver{txt{w.ca.DNS}, make(chan struct{}), make(chan struct{}), make(chan struct{})}
	i := w.issuer(t, w.node, func(o *issuer.Options) { o.DNS = s })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.presented
		cancel()
	}()
	if _, err := i.Obtain(ctx, issuer.Order{Names: []string{"example.com"}, Key: newKey(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Obtain = %v, want that it was broken off", err)
	}
	<-s.cleaning // and Obtain has returned
	if len(w.ca.DNS.TXT("_acme-challenge.example.com")) != 1 {
		t.Error("the record is gone already")
	}
	close(s.finish)
	i.Close()
	if left := w.ca.DNS.TXT("_acme-challenge.example.com"); len(left) > 0 {
		t.Errorf("after Close there is still %q", left)
	}
	if got := w.ca.Asked("authz"); got != 2 {
		t.Errorf("authorizations were asked for %d times, want once, and once to give it up", got)
	}
}

// What one node takes back is not what another one has published since.
func TestAnswers_TakeBackTheirOwnAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "challenge" && a.Status < 300 {
			publish(t, w.shared.Node(), "alpn/example.com", "example.com", "another.node")
		}
	})
	obtain(t, w.ca, w.issuer(t, w.node, only(issuer.TLSALPN01)), issuer.Order{Names: []string{"example.com"}})
	if got := w.shared.Keys(issuer.ChallengePrefix); len(got) != 1 {
		t.Errorf("answers in the store = %q, want the other node's", got)
	}
}
