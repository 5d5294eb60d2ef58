package attack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// prey is a server of the standard library, or of quic-go, to be attacked. The
// attacks are tested on it; what weir does about them is tested where weir is.
type prey struct {
	Target
	readied atomic.Int64
	handled atomic.Int64
	whole   atomic.Int64 // request bodies that ended as they should
	cut     atomic.Int64 // request bodies that did not
}

const bigPage = 8 << 20

func (p *prey) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.handled.Add(1)
	if r.Method == http.MethodPost {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			p.cut.Add(1)
			http.Error(w, "cut", http.StatusBadRequest)
			return
		}
		p.whole.Add(1)
	}
	if r.URL.Path == "/big" {
		w.Header().Set("Content-Length", "8388608")
		w.Write(make([]byte, bigPage))
		return
	}
	io.WriteString(w, "hello")
}

func newPrey(t *testing.T, secure bool, configure func(*http.Server)) *prey {
	t.Helper()
	p := new(prey)
	server := httptest.NewUnstartedServer(p)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quietLog()
	if configure != nil {
		configure(server.Config)
	}
	if secure {
		server.StartTLS()
		p.TLS = trusting(server.Certificate())
	} else {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
	}
	t.Cleanup(server.Close)
	p.Addr = server.Listener.Addr().String()
	return p
}

func newPreyH3(t *testing.T) *prey {
	t.Helper()
	p := new(prey)
	lender := httptest.NewUnstartedServer(nil) // of a certificate
	lender.StartTLS()
	defer lender.Close()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: p, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: lender.TLS.Certificates})}
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(socket) }()
	t.Cleanup(func() { server.Close(); socket.Close(); <-served })
	p.TLS = trusting(lender.Certificate())
	p.Addr = socket.LocalAddr().String()
	return p
}

func trusting(root *x509.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return &tls.Config{RootCAs: roots, ServerName: "example.com"}
}

// afterReady sets t.Ready so that the attack goes on for d once it is under way,
// however busy the machine is, and returns the context that ends it.
func (p *prey) afterReady(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t, 30*time.Second))
	p.Ready = func() {
		p.readied.Add(1)
		time.AfterFunc(d, cancel)
	}
	return ctx
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestAll_ReachesServer runs every attack for a moment against a server without
// any limit of its own and sees that it does something and ends.
func TestAll_ReachesServer(t *testing.T) {
	t.Parallel()
	for _, a := range All() {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			var p *prey
			switch a.Proto {
			case "h3":
				p = newPreyH3(t)
			default:
				p = newPrey(t, true, nil)
			}
			p.Conns, p.Every, p.Path = 2, 5*time.Millisecond, "/big"
			if a.Name != "SlowReader" && a.Name != "ZeroWindow" {
				p.Path = "/"
			}
			start, ctx := time.Now(), p.afterReady(t, 300*time.Millisecond)
			s, err := a.Run(ctx, p.Target)
			t.Log(s)
			if err != nil || s.Opened != 2 || s.Failed != 0 || s.Sent == 0 {
				t.Errorf("%v = %v, %v, want two connections and something sent", a, s, err)
			}
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("%v took %v, want an end soon after its context's", a, took)
			}
			if n := p.readied.Load(); n != 1 {
				t.Errorf("%v called Ready %d times, want once", a, n)
			}
		})
	}
}

func TestSlow_CutByTimeouts(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	for _, tt := range []struct {
		name, path string
		attack     func(context.Context, Target) (Stats, error)
		how        string
	}{
		{"handshake", "/", SlowHandshake, ""},
		{"headers", "/", SlowHeaders, ""},
		{"body", "/", SlowBody, "400"},
		{"chunk", "/", SlowChunk, "400"},
		{"reader", "/big", SlowReader, "cut"},
		{"idle", "/", IdleHerd, "eof"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPrey(t, true, func(s *http.Server) {
				s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout = limit, limit, limit
				if tt.name == "reader" { // a server that is late would not say 400 to the others
					s.WriteTimeout = limit
				}
			})
			p.Conns, p.Every, p.Path = 3, 10*time.Millisecond, tt.path
			s, err := tt.attack(within(t, 5*time.Second), p.Target)
			if err != nil || s.Cut != 3 || s.Held < limit/2 || tt.how != "" && s.Ends[tt.how] != 3 {
				t.Errorf("got %v, %v, want 3 connections cut (%q)", s, err, tt.how)
			}
		})
	}
}

func TestSlow_OpenWhereNobodyCuts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path string
		attack     func(context.Context, Target) (Stats, error)
		how        string
	}{
		{"headers", "/", SlowHeaders, "open"},
		{"body", "/", SlowBody, "open"},
		{"reader", "/big", SlowReader, "whole"},
		{"idle", "/", IdleHerd, "open"},
		{"zero window", "/big", ZeroWindow, "open"},
		{"held headers", "/", HeldHeaders, "open"},
		{"dripped data", "/", DrippedData, "open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPrey(t, false, nil)
			p.Conns, p.Every, p.Path = 2, 10*time.Millisecond, tt.path
			ctx := p.afterReady(t, 200*time.Millisecond)
			s, err := tt.attack(ctx, p.Target)
			if err != nil || s.Cut != 0 || s.Ends[tt.how] != 2 {
				t.Errorf("got %v, %v, want 2 connections %q", s, err, tt.how)
			}
		})
	}
}

func TestFloods_EndedOrSurvived(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attack Attack
		want   string // an end the standard library is known to make of it
	}{
		{Attack{"ContinuationFlood", "h2", ContinuationFlood}, "goaway"},
		{Attack{"EmptyFrames", "h2", EmptyFrames}, ""},
		{Attack{"RapidReset", "h2", RapidReset}, ""},
		{Attack{"MadeYouReset", "h2", MadeYouReset}, ""},
		{Attack{"HPACKBomb", "h2", HPACKBomb}, ""},
		{Attack{"SettingsFlood", "h2", SettingsFlood}, ""},
	} {
		t.Run(tt.attack.Name, func(t *testing.T) {
			t.Parallel()
			p := newPrey(t, true, nil)
			p.Limit = 3000
			if tt.attack.Name == "HPACKBomb" {
				p.Limit = 10
			}
			s, err := tt.attack.Run(within(t, 20*time.Second), p.Target)
			t.Log(s, "handled", p.handled.Load())
			if err != nil || s.Opened != 1 || s.Cut == 0 && s.Sent != p.Limit {
				t.Fatalf("got %v, %v, want all sent or the connection cut", s, err)
			}
			if tt.want != "" && (len(s.Ends) != 1 || s.Cut != 1) {
				t.Errorf("got %v, want %s", s, tt.want)
			}
			for how := range s.Ends {
				if !strings.HasPrefix(how, tt.want) {
					t.Errorf("ended by %q, want %q", how, tt.want)
				}
			}
		})
	}
}

func TestMadeYouReset_MakesServerReset(t *testing.T) {
	t.Parallel()
	p := newPrey(t, true, nil)
	p.Limit = 20
	s, err := MadeYouReset(within(t, 10*time.Second), p.Target)
	if err != nil || s.Reset < 10 && s.Cut == 0 {
		t.Errorf("got %v, %v, want streams reset by the server", s, err)
	}
}

func TestH3Probes_SeenByServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		attack func(context.Context, Target) (Stats, error)
	}{
		{"cut data", H3CutData},
		{"short body", H3ShortBody},
		{"long body", H3LongBody},
		{"no body", H3NoBody},
		{"blocked headers", H3BlockedHeaders},
		{"QPACK bomb", QPACKBomb},
		{"QPACK trailer bomb", QPACKTrailerBomb},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPreyH3(t)
			p.Limit = 1
			s, err := tt.attack(within(t, 10*time.Second), p.Target)
			t.Logf("%v; handled %d, bodies whole %d cut %d", s, p.handled.Load(), p.whole.Load(), p.cut.Load())
			if err != nil || s.Sent != 1 || len(s.Ends) == 0 || s.Ends["open"] != 0 {
				t.Errorf("got %v, %v, want a verdict of the server", s, err)
			}
		})
	}
}

func TestH3Encoding_IsUnderstood(t *testing.T) {
	t.Parallel()
	p := newPreyH3(t)
	s, err := p.probe(within(t, 10*time.Second), 3, func(h *h3) []byte {
		return h.head("GET", field{"x-long", strings.Repeat("v", 300)}, field{"accept-encoding", "identity"})
	})
	if err != nil || s.Answered != 3 || s.Ends["200"] != 3 || p.handled.Load() != 3 {
		t.Errorf("got %v, %v, handled %d, want three times 200", s, err, p.handled.Load())
	}
}

func TestAttacks_SayWhenTargetIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for _, a := range All() {
		if a.Proto == "h3" {
			continue // a closed UDP port is found out by the handshake's timeout only
		}
		if s, err := a.Run(within(t, time.Second), Target{Addr: addr, Conns: 2}); err == nil || s.Failed != 2 {
			t.Errorf("%v on a closed port = %v, %v, want an error", a, s, err)
		}
	}
	if _, err := H3CutData(t.Context(), Target{Addr: addr}); err == nil {
		t.Error("H3CutData without TLS: no error")
	}
}

func TestSample_ChargesStalls(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	l := Sample(ctx, time.Millisecond, func(ctx context.Context) error {
		if asked++; asked < 10 {
			return nil
		}
		if asked == 10 {
			return errors.New("refused")
		}
		time.AfterFunc(100*time.Millisecond, cancel)
		<-ctx.Done() // the server has stalled
		return ctx.Err()
	})
	if l.Failed != 1 || l.Err == nil || l.N < 60 || l.P99 < 80*time.Millisecond || l.Max < l.P99 || l.P50 > l.P99 {
		t.Errorf("got %v, want the stall of 100 ms charged to all requests due in it", l)
	}
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
