package nethttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

// step is one thing that a scripted upstream does on a request's stream.
type step struct {
	do     string   // "head", "tail", "data", "end", "reset CODE", "goaway CODE", "close", "raw"
	fields []string // names and values; or the bytes, for data and raw
}

func headed(fields ...string) step { return step{"head", fields} }
func tailed(fields ...string) step { return step{"tail", fields} }
func dataOf(b string) step         { return step{"data", []string{b}} }

var (
	end    = step{"end", nil}
	cutOff = step{"close", nil}
	ok200  = headed(":status", "200")
)

func times(n int, s step) []step { return slices.Repeat([]step{s}, n) }

// scripted starts an upstream that answers every request by the same steps.
type scripted func(t testing.TB, steps []step) ClientOptions

// h2Script speaks HTTP/2 over TCP by x/net's framer.
func h2Script(t testing.TB, steps []step) ClientOptions {
	return h2Upstream(t, func(p *h2Peer) {
		for id := p.request(); id != 0; id = p.request() {
			for _, s := range steps {
				p.play(id, s)
			}
		}
	})
}

type h2Peer struct {
	net.Conn
	fr    *http2.Framer
	enc   *hpack.Encoder
	block bytes.Buffer
}

// h2Upstream runs f on each connection, after the SETTINGS, which set what is given.
func h2Upstream(t testing.TB, f func(*h2Peer), set ...http2.Setting) ClientOptions {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				p := &h2Peer{Conn: c, fr: http2.NewFramer(c, c)}
				p.fr.AllowIllegalWrites = true
				p.enc = hpack.NewEncoder(&p.block)
				io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
				p.fr.WriteSettings(set...)
				f(p)
			}()
		}
	}()
	return ClientOptions{Protocol: "h2c", Dial: dialTo(ln.Addr().String())}
}

// request waits for the next one; 0 when there is none.
func (p *h2Peer) request() uint32 {
	for {
		f, err := p.fr.ReadFrame()
		if err != nil {
			return 0
		}
		if h, ok := f.(*http2.HeadersFrame); ok {
			return h.StreamID
		}
	}
}

func (p *h2Peer) play(id uint32, s step) {
	kind, arg, _ := strings.Cut(s.do, " ")
	switch kind {
	case "head", "tail":
		p.block.Reset()
		for i := 0; i < len(s.fields); i += 2 {
			p.enc.WriteField(hpack.HeaderField{Name: s.fields[i], Value: s.fields[i+1]})
		}
		b := p.block.Bytes()
		first := b[:min(len(b), 16<<10)]
		p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: kind == "tail", EndHeaders: len(b) == len(first)})
		for b = b[len(first):]; len(b) > 0; {
			first = b[:min(len(b), 16<<10)]
			b = b[len(first):]
			p.fr.WriteContinuation(id, len(b) == 0, first)
		}
	case "data":
		p.fr.WriteData(id, false, []byte(s.fields[0]))
	case "end":
		p.fr.WriteData(id, true, nil)
	case "reset":
		p.fr.WriteRSTStream(id, h2Codes[arg])
	case "goaway":
		p.fr.WriteGoAway(id-1, h2Codes[arg], nil)
	case "raw":
		io.WriteString(p, s.fields[0])
	case "close":
		p.Close()
	}
}

var h2Codes = map[string]http2.ErrCode{"": 0, "refused": http2.ErrCodeRefusedStream, "error": http2.ErrCodeInternal}

// h3Script speaks HTTP/3 by frames of its own.
func h3Script(t testing.TB, steps []step) ClientOptions {
	serverTLS, clientTLS := selfSigned(t)
	ln, err := quic.ListenAddr("127.0.0.1:0", http3.ConfigureTLSConfig(serverTLS), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go h3Serve(c, steps)
		}
	}()
	return ClientOptions{Protocol: "h3", Address: ln.Addr().String(), TLS: clientTLS}
}

func h3Serve(c *quic.Conn, steps []step) {
	control, err := c.OpenUniStream()
	if err != nil {
		return
	}
	control.Write([]byte{0, 4, 0})
	for {
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		h3Frame(s) // the request
		for _, st := range steps {
			h3Play(c, control, s, st)
		}
	}
}

func h3Frame(r io.Reader) {
	br := quicvarint.NewReader(r)
	quicvarint.Read(br)
	n, _ := quicvarint.Read(br)
	io.CopyN(io.Discard, r, int64(n))
}

func h3Play(c *quic.Conn, control *quic.SendStream, s *quic.Stream, st step) {
	kind, arg, _ := strings.Cut(st.do, " ")
	frame := func(kind uint64, b []byte) {
		s.Write(append(quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(b))), b...))
	}
	switch kind {
	case "head", "tail":
		var block bytes.Buffer
		enc := qpack.NewEncoder(&block)
		for i := 0; i < len(st.fields); i += 2 {
			enc.WriteField(qpack.HeaderField{Name: st.fields[i], Value: st.fields[i+1]})
		}
		if frame(1, block.Bytes()); kind == "tail" {
			s.Close()
		}
	case "data":
		frame(0, []byte(st.fields[0]))
	case "end":
		s.Close()
	case "reset":
		code := map[string]http3.ErrCode{"": http3.ErrCodeNoError, "refused": http3.ErrCodeRequestRejected, "error": http3.ErrCodeInternalError}[arg]
		s.CancelWrite(quic.StreamErrorCode(code))
	case "goaway":
		control.Write([]byte{7, 1, byte(s.StreamID())})
	case "raw":
		io.WriteString(s, st.fields[0])
	case "close":
		c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeInternalError), "")
	}
}

// What upstreams may not do is an error with 502, or a visible cut; never a complete
// response. "" in want is an error of Do, "cut" one of the body, else it is the body.
func TestSecurity_Q7_Q8_UpstreamMisbehaves(t *testing.T) {
	t.Parallel()
	many := ok200
	for range 101 {
		many.fields = append(slices.Clip(many.fields), "x-a", "1")
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  string
		only  string // "h2", "h3"
	}{
		{"whole", []step{headed(":status", "200", "content-length", "3"), dataOf("abc"), end}, "abc", ""},
		{"whole without length", []step{ok200, dataOf("a"), dataOf("bc"), end}, "abc", ""},
		{"whole with trailer", []step{ok200, dataOf("abc"), tailed("x-t", "1")}, "abc", ""},
		{"connection's fields are dropped", []step{headed(":status", "200", "connection", "x-a", "transfer-encoding", "chunked"), dataOf("abc"), end}, "abc", ""},
		{"length too small", []step{headed(":status", "200", "content-length", "2"), dataOf("abc"), end}, "cut", ""},
		{"length too small, late", []step{headed(":status", "200", "content-length", "2"), dataOf("ab"), dataOf("c"), end}, "cut", ""},
		{"length too large", []step{headed(":status", "200", "content-length", "4"), dataOf("abc"), end}, "cut", ""},
		{"length 0 and a body", []step{headed(":status", "200", "content-length", "0"), dataOf("abc"), end}, "cut", ""},
		{"length and no body", []step{tailed(":status", "200", "content-length", "4")}, "", "h2"},
		{"two lengths", []step{headed(":status", "200", "content-length", "3", "content-length", "3"), dataOf("abc"), end}, "", ""},
		{"length of no digits", []step{headed(":status", "200", "content-length", "+3"), dataOf("abc"), end}, "", ""},
		{"length, empty", []step{headed(":status", "200", "content-length", ""), dataOf("abc"), end}, "", ""},
		{"reset after the head", []step{ok200, step{"reset error", nil}}, "cut", ""},
		{"reset in the body", []step{ok200, dataOf("abc"), step{"reset", nil}}, "cut", ""},
		{"reset when all was sent but the end", []step{headed(":status", "200", "content-length", "3"), dataOf("abc"), step{"reset", nil}}, "cut", ""},
		{"connection cut in the body", []step{ok200, dataOf("abc"), cutOff}, "cut", ""},
		{"connection cut before the head", []step{cutOff}, "", ""},
		{"end without a head", []step{end}, "", ""},
		{"data without a head", []step{dataOf("abc"), end}, "", ""},
		{"status missing", []step{headed("x-a", "1"), end}, "", ""},
		{"status of two digits", []step{headed(":status", "20"), end}, "", ""},
		{"status of four digits", []step{headed(":status", "2000"), end}, "", ""},
		{"status 099", []step{headed(":status", "099"), end}, "", ""},
		{"status 600", []step{headed(":status", "600"), end}, "", ""},
		{"status +20", []step{headed(":status", "+20"), end}, "", ""},
		{"status twice", []step{headed(":status", "200", ":status", "200"), end}, "", ""},
		{"status late", []step{headed("x-a", "1", ":status", "200"), end}, "", ""},
		{"pseudo field of requests", []step{headed(":status", "200", ":path", "/"), end}, "", ""},
		{"pseudo field unknown", []step{headed(":status", "200", ":x", "/"), end}, "", ""},
		{"switching unasked", []step{headed(":status", "101"), end}, "", ""},
		{"interim and no more", []step{headed(":status", "103"), end}, "", ""},
		{"interim without end", slices.Concat(times(100, headed(":status", "103")), []step{ok200, end}), "", ""},
		{"name in upper case", []step{headed(":status", "200", "X-A", "1"), end}, "", ""},
		{"name empty", []step{headed(":status", "200", "", "1"), end}, "", ""},
		{"name with a space", []step{headed(":status", "200", "x a", "1"), end}, "", ""},
		{"value with CR LF", []step{headed(":status", "200", "x-a", "1\r\nx-b: 2"), end}, "", ""},
		{"value with NUL", []step{headed(":status", "200", "x-a", "\x00"), end}, "", ""},
		{"value with a space in front", []step{headed(":status", "200", "x-a", " 1"), end}, "", ""},
		{"header too large", []step{headed(":status", "200", "x-a", strings.Repeat("a", 33<<10)), end}, "", ""},
		{"header far too large", []step{headed(":status", "200", "x-a", strings.Repeat("a", 1<<20)), end}, "", ""},
		{"too many fields", []step{many, end}, "", ""},
		{"trailer with a pseudo field", []step{ok200, dataOf("abc"), tailed(":status", "200")}, "cut", ""},
		{"trailer that frames", []step{ok200, dataOf("abc"), tailed("content-length", "3")}, "cut", ""},
		{"trailer in upper case", []step{ok200, dataOf("abc"), tailed("X-T", "3")}, "cut", ""},
		{"trailer too large", []step{ok200, dataOf("abc"), tailed("x-t", strings.Repeat("a", 33<<10))}, "cut", ""},
		{"trailer and no end", []step{ok200, dataOf("abc"), headed("x-t", "1"), dataOf("x"), end}, "cut", ""},
		{"two trailers", []step{ok200, dataOf("abc"), headed("x-t", "1"), tailed("x-t", "1")}, "cut", ""},
		{"push", []step{step{"raw", []string{"\x00\x00\x05\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x88"}}, ok200, end}, "", "h2"},
		{"push", []step{step{"raw", []string{"\x05\x02\x00\x88"}}, ok200, end}, "", "h3"},
		{"frame larger than allowed", []step{step{"raw", []string{"\x00\xff\xff\x00\x00\x00\x00\x00\x01"}}}, "", "h2"},
		{"header block interrupted", []step{step{"raw", []string{"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x88\x00\x00\x00\x00\x01\x00\x00\x00\x01"}}}, "", "h2"},
		{"bad HPACK", []step{step{"raw", []string{"\x00\x00\x01\x01\x05\x00\x00\x00\x01\xff"}}}, "", "h2"},
		{"stream that was never begun", []step{step{"raw", []string{"\x00\x00\x01\x01\x05\x00\x00\x00\x09\x88"}}}, "", "h2"},
		{"window too large", []step{step{"raw", []string{"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff"}}}, "", "h2"},
		{"pings without end", times(20000, step{"raw", []string{"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"}}), "", "h2"},
		{"DATA frame cut (security Q7)", []step{ok200, step{"raw", []string{"\x00\x05abc"}}, end}, "cut", "h3"},
		{"HEADERS frame cut", []step{step{"raw", []string{"\x01\x05\x00"}}, end}, "", "h3"},
		{"frame header cut", []step{ok200, step{"raw", []string{"\x40"}}, end}, "cut", "h3"},
		{"trailer cut", []step{ok200, step{"raw", []string{"\x01\x05\x00"}}, end}, "cut", "h3"},
		{"frame of the control stream", []step{ok200, step{"raw", []string{"\x04\x00"}}, end}, "cut", "h3"},
		{"frame of HTTP/2", []step{ok200, step{"raw", []string{"\x06\x00"}}, end}, "cut", "h3"},
		{"frames unknown", []step{step{"raw", []string{"\x21\x03abc"}}, ok200, step{"raw", []string{"\x40\x42\x00"}}, dataOf("abc"), end}, "abc", "h3"},
		{"QPACK with a dynamic table", []step{step{"raw", []string{"\x01\x03\x02\x00\x80"}}, end}, "", "h3"},
	} {
		for name, start := range map[string]scripted{"h2": h2Script, "h3": h3Script} {
			if tt.only != "" && tt.only != name {
				continue
			}
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				o := start(t, tt.steps)
				o.Head, o.Idle = 20*time.Second, 20*time.Second
				got, err := answerOf(newTestClient(t, o))
				fault, _ := errors.AsType[*exchange.Error](err)
				if name == "h3" && got == "" && err != nil && tt.want == "cut" {
					got = "cut" // a reset may overtake what came before it (RFC 9000 §3.5)
				}
				if got != tt.want || err != nil && (fault == nil || fault.Fault != exchange.Upstream || fault.Status != 502) {
					t.Errorf("got %q, %v; want %q, and 502 if it is not a body", got, err, tt.want)
				}
			})
		}
	}
}

// answerOf makes a call: the body, or "cut", or "" where there was no response.
func answerOf(c *Client) (string, error) {
	resp := new(exchange.Response)
	if err := c.Do(newCall("GET", "/", nil), resp); err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "cut", err
	}
	return string(b), nil
}

// Written is false again where the upstream says that it has done nothing.
func TestClient_RefusedStreamsMayBeSentAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		steps   []step
		written bool
	}{
		{"refused", []step{step{"reset refused", nil}}, false},
		{"reset", []step{step{"reset error", nil}}, true},
		{"leaving before it", []step{step{"goaway", nil}}, false},
		{"leaving with an error", []step{step{"goaway error", nil}}, false},
		{"cut", []step{cutOff}, true},
	} {
		for name, start := range map[string]scripted{"h2": h2Script, "h3": h3Script} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				c := newTestClient(t, start(t, tt.steps))
				call := newCall("POST", "/", exchange.NewBytes([]byte("abc")))
				err := c.Do(call, new(exchange.Response))
				if err == nil || call.Attempt.Written != tt.written || call.Attempt.Answered {
					t.Errorf("got %+v, %v; want Written %v and an error", call.Attempt, err, tt.written)
				}
			})
		}
	}
}

// A connection whose upstream is leaving gets no more calls; what goes on, ends.
func TestClient_GoAway(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	o := h2Upstream(t, func(p *h2Peer) {
		id := p.request()
		p.fr.WriteGoAway(id, http2.ErrCodeNo, nil)
		p.play(id, ok200)
		<-next
		p.play(id, dataOf("abc"))
		p.play(id, end)
		if next := p.request(); next != 0 {
			t.Errorf("got stream %d after GOAWAY", next)
		}
	})
	c := newTestClient(t, o)
	first := do(t, c, newCall("GET", "/", nil))
	second := do(t, c, newCall("GET", "/", nil))
	if s := c.Stats(); s.Made != 2 {
		t.Errorf("got %+v, want two connections made", s)
	}
	for _, resp := range []*exchange.Response{first, second} {
		next <- struct{}{}
		if got := read(t, resp); got != "abc" {
			t.Errorf("got %q", got)
		}
	}
}

// Where a connection allows no more streams there is another.
func TestClient_MaxConcurrentStreams(t *testing.T) {
	t.Parallel()
	o := h2Upstream(t, func(p *h2Peer) {
		for id := p.request(); id != 0; id = p.request() {
			p.play(id, ok200)
		}
	}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
	c := newTestClient(t, o)
	var open []*exchange.Response
	for range 5 {
		open = append(open, do(t, c, newCall("GET", "/", nil)))
	}
	if s := c.Stats(); s.Made != 3 || s.Open != 3 || s.Idle != 0 {
		t.Errorf("got %+v, want 3 connections for 5 calls, 2 each", s)
	}
	for _, resp := range open {
		resp.Body.Close()
	}
	do(t, c, newCall("GET", "/", nil)).Body.Close()
	if s := c.Stats(); s.Made != 3 {
		t.Errorf("got %+v, want none made where there is room", s)
	}
}

func TestClient_NoStreamsAllowed(t *testing.T) {
	t.Parallel()
	o := h2Upstream(t, func(p *h2Peer) { p.request() }, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
	call := newCall("GET", "/", nil)
	err := newTestClient(t, o).Do(call, new(exchange.Response))
	if !errors.Is(err, errNoStreams) || call.Attempt.Written {
		t.Errorf("got %v, %+v", err, call.Attempt)
	}
}

// An upstream that speaks something else is found out before anything of a call is sent.
func TestClient_WrongProtocol(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	serverTLS, clientTLS := selfSigned(t)
	serverTLS.NextProtos = nil
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				first := make([]byte, 1)
				io.ReadFull(c, first)
				if first[0] == 'P' {
					io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
					return
				}
				tls.Server(&again{c, first}, serverTLS).Handshake()
			}()
		}
	}()
	for _, protocol := range []string{"h2", "h2c"} {
		c := newTestClient(t, ClientOptions{Protocol: protocol, Dial: dialTo(ln.Addr().String()), TLS: clientTLS})
		call := newCall("GET", "/", nil)
		err := c.Do(call, new(exchange.Response))
		if err == nil || call.Attempt.Written {
			t.Errorf("%s: got %v, %+v; want an error and nothing written", protocol, err, call.Attempt)
		}
	}
}

// again gives back what was read.
type again struct {
	net.Conn
	first []byte
}

func (a *again) Read(p []byte) (int, error) {
	if n := copy(p, a.first); n > 0 {
		a.first = a.first[n:]
		return n, nil
	}
	return a.Conn.Read(p)
}
