package nethttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/attack"
	"github.com/weirproxy/weir/edge/exchange"
)

// target is a server that startH2 or startH3 has started, as attackers see it.
func target(url string, client *http.Client) attack.Target {
	return attack.Target{Addr: strings.TrimPrefix(url, "https://"), Host: "localhost", TLS: trust(client)}
}

// Where nothing can be sent, because the client is taken to be gone, the libraries
// must not make a 200 of it.
func TestServe_NoResponseIsAReset(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, m mode) {
		url, client := m.start(t, exchangeFunc(func(*exchange.Request) {}), Options{})
		if resp, err := client.Get(url); err == nil {
			t.Errorf("got %s, want the stream to be reset", resp.Status)
		}
	})
}

// A body that does not come as announced is the client's fault, and says so.
func TestBody_BlamesTheClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		mode   mode
		attack func(context.Context, attack.Target) (attack.Stats, error)
		status int // 0: the client is taken to be gone
	}{
		{"short over HTTP/3", modes[1], attack.H3ShortBody, 400},
		{"none over HTTP/3", modes[1], attack.H3NoBody, 400},
		{"slow over HTTP/3", modes[1], attack.H3HeldBody, 408},
		{"slow over HTTP/2", modes[0], attack.DrippedData, 408},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := make(chan error, 100)
			url, client := tt.mode.start(t, exchangeFunc(func(r *exchange.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				got <- err
			}), Options{Stall: time.Second, BodyGrace: time.Second})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			goal := target(url, client)
			goal.Limit = 1
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				tt.attack(ctx, goal)
			}()
			err := <-got
			cancel()
			<-ended
			var e *exchange.Error
			if !errors.As(err, &e) || e.Status != tt.status || e.Fault != exchange.Client {
				t.Errorf("got %v, want status %d and the client's fault", err, tt.status)
			}
		})
	}
}

// A client that resets what it has begun gets its streams back at once; the
// handlers may still be at work. There must not be more of them than streams.
func TestSecurity_G5_HandlersAreBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode   mode
		attack func(context.Context, attack.Target) (attack.Stats, error)
	}{
		"HTTP/2, rapid reset":   {modes[0], attack.RapidReset},
		"HTTP/2, made to reset": {modes[0], attack.MadeYouReset},
		"HTTP/3, rapid reset":   {modes[1], lateReset},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const streams = 8
			var working, most atomic.Int64
			leave := make(chan struct{})
			release := sync.OnceFunc(func() { close(leave) })
			url, client := tt.mode.start(t, exchangeFunc(func(r *exchange.Request) {
				for n := working.Add(1); n > most.Load(); {
					most.Store(n)
				}
				<-leave // a handler that does not hear that its client is gone
				working.Add(-1)
			}), Options{Streams: streams})
			defer release()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			goal := target(url, client)
			goal.Limit = 1000
			s, err := tt.attack(ctx, goal)
			if err != nil || s.Sent < streams {
				t.Fatalf("the attack: %v, %v", s, err)
			}
			if n := most.Load(); n == 0 || n > streams {
				t.Errorf("%d handlers at work at once (%v), want 1 to %d", n, s, streams)
			}
		})
	}
}

// lateReset resets requests over HTTP/3 when the server has had the time to begin
// with them, which [attack.H3RapidReset] does not leave it.
func lateReset(ctx context.Context, goal attack.Target) (s attack.Stats, err error) {
	goal.TLS.NextProtos = []string{http3.NextProtoH3}
	conn, err := quic.DialAddr(ctx, goal.Addr, goal.TLS, nil)
	if err != nil {
		return s, err
	}
	defer conn.CloseWithError(0, "")
	var block bytes.Buffer
	enc := qpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", goal.Host}, {":path", "/"}} {
		enc.WriteField(qpack.HeaderField{Name: f[0], Value: f[1]})
	}
	head := append([]byte{0x01, byte(block.Len())}, block.Bytes()...)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.Sent < goal.Limit {
		str, err := conn.OpenStreamSync(ctx)
		if err != nil { // no more streams until some have ended
			return s, nil
		}
		str.Write(head)
		s.Sent++
		select {
		case <-ctx.Done():
			return s, nil
		case <-tick.C:
		}
		str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	}
	return s, nil
}

// TestSecurity_Q1_Q2: fields that a few bytes on the wire stand for are counted by
// what they decode to, in heads and in trailers.
func TestSecurity_Q1_Q2_DecodedFieldsAreBounded(t *testing.T) {
	t.Parallel()
	fields := make(chan int, 100)
	url, client := startH3(t, exchangeFunc(func(r *exchange.Request) {
		io.Copy(io.Discard, r.Body)
		fields <- r.Header.Len() + r.Trailer.Len()
		r.Stream().Respond(r, r.NewResponse(200))
	}), Options{})
	for _, a := range []func(context.Context, attack.Target) (attack.Stats, error){attack.QPACKBomb, attack.QPACKTrailerBomb} {
		goal := target(url, client)
		goal.Limit = 3
		s, err := a(t.Context(), goal)
		if err != nil || s.Sent == 0 {
			t.Fatalf("the attack: %v, %v", s, err)
		}
	}
	for len(fields) > 0 {
		if n := <-fields; n > 100 {
			t.Errorf("a request with %d fields reached the dispatcher, want 100 at most", n)
		}
	}
}

func trust(client *http.Client) *tls.Config {
	if tr, ok := client.Transport.(*http3.Transport); ok {
		return tr.TLSClientConfig.Clone()
	}
	return client.Transport.(*http.Transport).TLSClientConfig.Clone()
}
