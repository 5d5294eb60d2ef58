package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// pausing is an upstream that thinks before its head and in the midst of its body.
func pausing(head string, before, between time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		until(c, "\r\n\r\n")
		time.Sleep(before)
		io.WriteString(c, head+"1\r\na\r\n")
		time.Sleep(between)
		io.WriteString(c, "1\r\nb\r\n0\r\n\r\n")
		mute(c)
	}
}

// TestClientTime_QuietStreams: what may be silent on purpose is held to no limit but its
// own.
func TestClientTime_QuietStreams(t *testing.T) {
	const (
		events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
		grpc   = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n\r\n"
		plain  = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
	)
	short := ClientOptions{Head: 10 * time.Second, Idle: 10 * time.Second}
	for _, tt := range []struct {
		name     string
		o        ClientOptions
		asks     string // content type of the request
		upstream func(net.Conn)
		want     time.Duration // 0: no limit comes in the way
	}{
		{"events", short, "", pausing(events, 0, time.Hour), 0},
		{"gRPC", short, "application/grpc-web", pausing(grpc, time.Hour, time.Hour), 0},
		{"gRPC and an error of another kind", short, "application/grpc", pausing(plain, 0, time.Hour), 0},
		{"head of events", short, "", pausing(events, time.Hour, 0), 10 * time.Second},
		{"plain", short, "", pausing(plain, 0, time.Hour), 10 * time.Second},
		{"events, limited", ClientOptions{Tunnel: 20 * time.Second}, "", pausing(events, 0, time.Hour), 20 * time.Second},
		{"gRPC, limited", ClientOptions{Tunnel: 20 * time.Second}, "application/grpc", pausing(grpc, time.Hour, 0), 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			piped(t, tt.o, tt.upstream, func(t *testing.T, c *Client) {
				call := getCall()
				if tt.asks != "" {
					call = postCall("")
					call.Header.Append("content-type", tt.asks)
				}
				start := time.Now()
				_, body, _, err := do(c, call)
				if tt.want == 0 {
					if body != "ab" || err != nil {
						t.Errorf("got %q, %v after %v, want all of it", body, err, time.Since(start))
					}
					return
				}
				if statusOf(err) != 504 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %q, %v, want 504", body, err)
				}
				lasts(t, start, tt.want)
			})
		})
	}
}

// TestClientTime_QuietIsForOneCall: the next call on the connection has its limits again.
func TestClientTime_QuietIsForOneCall(t *testing.T) {
	piped(t, ClientOptions{Head: 10 * time.Second}, func(c net.Conn) {
		until(c, "\r\n\r\n")
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n")
		mute(c)
	}, func(t *testing.T, c *Client) {
		call := postCall("")
		call.Header.Append("content-type", "application/grpc")
		if _, _, _, err := do(c, call); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, _, _, err := do(c, getCall()); statusOf(err) != 504 {
			t.Errorf("got %v, want 504", err)
		}
		lasts(t, start, 10*time.Second)
		if s := c.Stats(); s.Made != 1 {
			t.Errorf("got %+v, want one connection", s)
		}
	})
}
