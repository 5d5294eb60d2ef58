package nethttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

// oneByOne is an upstream that allows one stream at a time. It answers requests for
// /now and no others, and pings only if it may.
func oneByOne(c net.Conn, pongs bool) (pings, requests int) {
	fr := http2.NewFramer(c, c)
	io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
	fr.ReadFrame() // SETTINGS
	fr.ReadFrame() // WINDOW_UPDATE
	fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return pings, requests
		}
		switch f := f.(type) {
		case *http2.PingFrame:
			if pings++; pongs && !f.IsAck() {
				fr.WritePing(true, f.Data)
			}
		case *http2.MetaHeadersFrame:
			if requests++; f.PseudoValue("path") == "/now" {
				var block bytes.Buffer
				hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "204"})
				fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
			}
		}
	}
}

// Clients that ask and leave cannot have an upstream begin more at once than it allows.
func TestSecurity_G5_ResetStreamsKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		pongs bool
		made  int64 // connections
		pings int   // on the first of them
	}{
		{"while the upstream has not heard", false, 3, 1},
		{"until it has", true, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first := make(chan int, 3)
				client := NewClient(ClientOptions{Protocol: "h2c", Dial: func(context.Context, *exchange.Call) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() {
						defer theirs.Close()
						pings, _ := oneByOne(theirs, c.pongs)
						first <- pings
					}()
					return ours, nil
				}})
				for range 2 { // the second reset finds an upstream that has said nothing since the ping
					ctx, leave := context.WithCancelCause(t.Context())
					time.AfterFunc(time.Second, func() { leave(exchange.ErrClientGone) })
					call := newCall("GET", "/wait", nil)
					call.Caller = exchange.CallerOf(ctx)
					if err := client.Do(call, new(exchange.Response)); !errors.Is(err, exchange.ErrClientGone) {
						t.Errorf("got %v, want %v", err, exchange.ErrClientGone)
					}
					synctest.Wait()
				}
				resp := new(exchange.Response)
				if err := client.Do(newCall("GET", "/now", nil), resp); err != nil || resp.Status != 204 {
					t.Errorf("got %d, %v", resp.Status, err)
				} else {
					resp.Body.Close()
				}
				if s := client.Stats(); s.Made != c.made {
					t.Errorf("got %+v, want %d connections made", s, c.made)
				}
				client.Close()
				time.Sleep(time.Hour) // of the bubble
				if n := <-first; n > c.pings {
					t.Errorf("got %d pings, want at most %d", n, c.pings)
				}
			})
		})
	}
}
