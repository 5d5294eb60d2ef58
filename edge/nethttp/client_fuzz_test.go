package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

// FuzzClientH2 lets an upstream say anything after its SETTINGS: a response that
// looks whole has been ended in order, and holds as much as it announced.
func FuzzClientH2(f *testing.F) {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	enc.WriteField(hpack.HeaderField{Name: "content-length", Value: "3"})
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	fr.WriteData(1, true, []byte("abc"))
	f.Add(b.Bytes())
	fr.WriteGoAway(1, 0, nil)
	fr.WritePing(false, [8]byte{})
	fr.WriteWindowUpdate(1, 100)
	fr.WriteRSTStream(1, http2.ErrCodeRefusedStream)
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, said []byte) {
		c := NewClient(ClientOptions{Protocol: "h2c", Dial: func(context.Context, *exchange.Call) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			go func() {
				http2.NewFramer(theirs, nil).WriteSettings()
				theirs.Write(said)
				theirs.Close()
			}()
			return ours, nil
		}})
		defer c.Close()
		resp := new(exchange.Response)
		call := newCall("POST", "/", streamed(strings.NewReader("abc")))
		err := c.Do(call, resp)
		if (err == nil) == (resp.Body == nil) {
			t.Fatalf("got %v and body %v", err, resp.Body)
		}
		if err != nil {
			return
		}
		announced := resp.Body.Len()
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && announced >= 0 && int64(len(b)) != announced {
			t.Errorf("got a whole body of %d bytes, %d announced", len(b), announced)
		}
	})
}

// FuzzClientH3 reads a request's stream on which the upstream says anything.
func FuzzClientH3(f *testing.F) {
	f.Add([]byte("\x01\x03\x00\x00\xd9\x00\x03abc"))
	f.Add([]byte("\x01\x03\x00\x00\xd9\x21\x01x\x00\x03abc\x01\x02\x00\x00"))
	f.Fuzz(func(t *testing.T, said []byte) {
		h := &h3Conn{client: NewClient(ClientOptions{}), kill: func(quic.ApplicationErrorCode, string) error { return nil }}
		s := &h3Stream{h: h, r: bufio.NewReader(bytes.NewReader(said))}
		fields, _, err := s.head()
		if err != nil {
			return
		}
		var header exchange.Header
		if _, _, err := readHead(fields, &header, 100); err == nil {
			for name, value := range header.All() {
				if !exchange.ValidName(name) || !exchange.ValidValue(value) || hasUpper(name) {
					t.Errorf("got field %q: %q", name, value)
				}
			}
		}
		got, err := io.ReadAll(readerFunc(s.read))
		if err == nil && (s.left != 0 || len(got) > len(said)) {
			t.Errorf("got %d bytes and a proper end with %d missing", len(got), s.left)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzClientH3Control reads the upstream's control stream.
func FuzzClientH3Control(f *testing.F) {
	f.Add([]byte("\x04\x02\x08\x01\x07\x01\x04"))
	f.Add([]byte("\x04\x00\x21\x01a\x07\x02\x40\x08"))
	f.Fuzz(func(t *testing.T, said []byte) {
		h := &h3Conn{client: NewClient(ClientOptions{}), greeted: make(chan struct{}), kill: func(quic.ApplicationErrorCode, string) error { return nil }}
		if err := h.control(bufio.NewReader(bytes.NewReader(said))); err == nil {
			t.Error("got no error, where every control stream here ends")
		}
	})
}
