package http1

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestClient_ForeignProtocols: what is no HTTP/1 is told at once, not when time is over.
func TestClient_ForeignProtocols(t *testing.T) {
	for name, tt := range map[string]struct{ says, want string }{
		"TLS alert":       {"\x15\x03\x01\x00\x02\x02\x16", "answer is TLS, as of an https:// endpoint"},
		"HTTP/2":          {"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", "answer is HTTP/2, as of an h2c:// endpoint"},
		"SMTP":            {"220 mail.test ESMTP\r\n", `it begins with "220 mail.test ES"`},
		"SSH":             {"SSH-2.0-Open", `it begins with "SSH-2.0-Open"`},
		"HTTP of old":     {"HTTP/0", `it begins with "HTTP/0"`},
		"no byte of text": {"\x00", `it begins with "\x00"`},
	} {
		t.Run(name, func(t *testing.T) {
			piped(t, ClientOptions{Head: time.Minute}, func(c net.Conn) {
				until(c, "\r\n\r\n")
				io.WriteString(c, tt.says)
				mute(c)
			}, func(t *testing.T, c *Client) {
				start := time.Now()
				_, _, _, err := do(c, getCall())
				if statusOf(err) != 502 || !strings.HasSuffix(err.Error(), tt.want) || time.Since(start) > 0 {
					t.Errorf("got %v after %v, want 502 and %q at once", err, time.Since(start), tt.want)
				}
				if s := c.Stats(); s.Open != 0 {
					t.Errorf("got %+v, want no connection", s)
				}
			})
		})
	}
}
