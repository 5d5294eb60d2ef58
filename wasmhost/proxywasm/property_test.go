package proxywasm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// newRequest is one with everything that properties tell.
func newRequest() *exchange.Request {
	conn := &exchange.Conn{
		Client: netip.MustParseAddrPort("192.0.2.1:4242"), Local: netip.MustParseAddrPort("[2001:db8::1]:443"),
		TLS: &exchange.TLS{Version: tls.VersionTLS13, ServerName: "sni.example", Peer: []*x509.Certificate{
			{Raw: []byte("raw"), Subject: pkix.Name{CommonName: "me"}, DNSNames: []string{"client.example"}}}},
	}
	r := exchange.NewBackground(context.Background(), &exchange.Request{
		Method: "PUT", Scheme: "https", Authority: "a.example:8443", Target: "/p%20q?x=1", Path: "/p q", Query: "x=1",
		Proto: exchange.HTTP2, Client: conn.Client, Conn: conn,
		Record: exchange.Record{Number: 42, Start: time.Unix(7, 9), Site: "site", Route: "route"},
	})
	r.Header.Append("user-agent", "ua")
	r.Header.Append("x-two", "1")
	r.Header.Append("x-two", "2")
	return r
}

func numberOf(n int64) string { return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) }

// propertyStream is a stream that is in its request's headers, without a guest.
func propertyStream() *stream {
	var all commons.Spaces
	i := newInstance(&Guests{plugin: &guest.Plugin{Name: "plugin", VMID: "vm", Commons: all.Of("vm")}})
	rt := &root{use: &use{Use: guest.Use{Root: "rooted"}}}
	rt.root = rt
	i.add(&rt.guestContext)
	s := &stream{r: newRequest()}
	s.root, s.stream = rt, s
	s.in = half{header: &s.r.Header, trailer: &s.r.Trailer, length: 33, stage: inHeaders}
	s.out = half{length: -1}
	i.add(&s.guestContext)
	return s
}

func get(c *guestContext, path string) (string, bool) {
	v, ok := c.property(trimPath([]byte(strings.ReplaceAll(path, "|", "\x00"))), nil)
	return string(v), ok
}

func TestProperty_Table(t *testing.T) {
	t.Parallel()
	s := propertyStream()
	s.resp = &exchange.Response{Status: 418, Body: exchange.NoBody}
	s.resp.Header.Append("x-a", "b")
	s.resp.Trailer.Append("grpc-status", "5")
	s.out.trailer, s.out.stage = &s.resp.Trailer, inTrailers
	s.details = "why"
	record := &s.r.Record
	record.Upstream, record.Attempts, record.Waited, record.Sent = "10.0.0.1:9000", 2, time.Second, 11
	for _, tt := range []struct{ path, want string }{
		{"request|path", "/p%20q?x=1"},
		{"request|path|", "/p%20q?x=1"},
		{"request|path|||", "/p%20q?x=1"},
		{"request|url_path", "/p%20q"},
		{"request|query", "x=1"},
		{"request|host", "a.example:8443"},
		{"request|scheme", "https"},
		{"request|method", "PUT"},
		{"request|useragent", "ua"},
		{"request|id", record.ID()},
		{"request|protocol", "HTTP/2"},
		{"request|headers|x-two", "1,2"},
		{"request|headers|X-Two", "1,2"},
		{"request|headers|:method", "PUT"},
		{"request|headers", pairsOf(":method", "PUT", ":path", "/p%20q?x=1", ":authority", "a.example:8443", ":scheme", "https",
			"user-agent", "ua", "x-two", "1", "x-two", "2")},
		{"request|time", numberOf(7e9 + 9)},
		{"request|size", numberOf(33)},
		{"request|headers_bytes", numberOf(10 + 2 + 2*6)},
		{"request|total_size", numberOf(33 + 10 + 2 + 2*6)},
		{"response|code", numberOf(418)},
		{"response|code_details", "why"},
		{"response|headers|x-a", "b"},
		{"response|headers", pairsOf(":status", "418", "x-a", "b")},
		{"response|trailers|grpc-status", "5"},
		{"response|trailers", pairsOf("grpc-status", "5")},
		{"response|grpc_status", numberOf(5)},
		{"response|size", numberOf(11)},
		{"response|backend_latency", numberOf(1e9)},
		{"connection|mtls", "\x01"},
		{"connection|requested_server_name", "sni.example"},
		{"connection|tls_version", "TLSv1.3"},
		{"connection|subject_peer_certificate", "CN=me"},
		{"connection|dns_san_peer_certificate", "client.example"},
		{"source|address", "192.0.2.1:4242"},
		{"source|port", numberOf(4242)},
		{"destination|address", "[2001:db8::1]:443"},
		{"destination|port", numberOf(443)},
		{"upstream|address", "10.0.0.1:9000"},
		{"upstream|port", numberOf(9000)},
		{"upstream|request_attempt_count", numberOf(2)},
		{"plugin_name", "plugin"},
		{"plugin_root_id", "rooted"},
		{"plugin_vm_id", "vm"},
		{"route_name", "route"},
		{"xds|route_name", "route"},
		{"xds|virtual_host_name", "site"},
		{"x_request_id", record.ID()},
	} {
		if got, ok := get(&s.guestContext, tt.path); got != tt.want || !ok {
			t.Errorf("%s = %q, %v, want %q", tt.path, got, ok, tt.want)
		}
	}
	for _, path := range []string{
		"", "|", "request", "request.path", "request|nothing", "request|duration", "request|referer", "request|headers|none",
		"response|flags", "response|headers|none", "connection|id", "connection|uri_san_peer_certificate",
		"node|id", "cluster_name", "metadata|filter_metadata|a", "source", "upstream|tls_version", "xds", "|request|path",
	} {
		if got, ok := get(&s.guestContext, path); ok {
			t.Errorf("%s = %q, want not found", path, got)
		}
	}
}

func TestProperty_KnowsOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	s := propertyStream()
	s.r.Conn = &exchange.Conn{}
	s.r.Client = netip.AddrPort{}
	for _, path := range []string{
		"response|code", "response|headers", "upstream|address", "upstream|port", "upstream|request_attempt_count",
		"connection|tls_version", "connection|subject_peer_certificate", "source|address", "destination|port", "response|code_details",
	} {
		if got, ok := get(&s.guestContext, path); ok {
			t.Errorf("%s = %q, want not found", path, got)
		}
	}
	if got, ok := get(&s.guestContext, "connection|mtls"); got != "\x00" || !ok {
		t.Errorf("mtls without TLS = %q, %v, want false", got, ok)
	}
	root := &s.root.guestContext
	if _, ok := get(root, "request|path"); ok {
		t.Error("a root has a request")
	}
	if got, ok := get(root, "plugin_root_id"); got != "rooted" || !ok {
		t.Errorf("plugin_root_id of a root = %q, %v", got, ok)
	}
	s.finished, s.r.Record.Took = true, time.Minute
	if got, ok := get(&s.guestContext, "request|duration"); got != numberOf(int64(time.Minute)) || !ok {
		t.Errorf("duration at the end = %q, %v", got, ok)
	}
}

// A root's callback that speaks of a stream which is somewhere else in the chain would
// read what others are writing.
func TestSecurity_W9_PropertiesOfStreamsElsewhere(t *testing.T) {
	t.Parallel()
	s := propertyStream()
	s.in.pass()
	if got, ok := get(&s.guestContext, "request|path"); ok {
		t.Errorf("path of a request that is elsewhere = %q, want not found", got)
	}
	if _, ok := get(&s.guestContext, "plugin_name"); !ok {
		t.Error("the plugin's own facts are gone as well")
	}
	s.resp = &exchange.Response{Status: 200, Body: exchange.NoBody}
	s.out.pass()
	if got, ok := get(&s.guestContext, "response|code"); ok {
		t.Errorf("code of a response that is elsewhere = %q, want not found", got)
	}
	s.out.stage = inBody
	for _, path := range []string{"request|path", "response|code"} {
		if _, ok := get(&s.guestContext, path); !ok {
			t.Errorf("%s is not found in the response's callbacks", path)
		}
	}
}

func TestProperty_KeepsWhatGuestsSet(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var s *stream
	r.held(func() { s = newStream(r.i, r.rt, newRequest()) })
	c := &s.guestContext
	want := func(st abi.Status, name string, args ...any) {
		t.Helper()
		if got := r.callIn(c, name, args...); got != st {
			t.Errorf("%s(%v) = %d, want %d", name, args, got, st)
		}
	}
	want(abi.NotFound, "proxy_get_property", "my\x00own", out, out2)
	want(abi.OK, "proxy_set_property", "my\x00own\x00", "first")
	want(abi.OK, "proxy_set_property", "my\x00own", "value")
	want(abi.OK, "proxy_get_property", "my\x00own\x00\x00", out, out2)
	if got := r.text(out); got != "value" {
		t.Errorf("property = %q, want what was set last", got)
	}
	want(abi.OK, "proxy_set_property", "request\x00method", "fake")
	want(abi.OK, "proxy_get_property", "request\x00method", out, out2)
	if got := r.text(out); got != "PUT" {
		t.Errorf("method = %q, want the host's", got)
	}
	want(abi.InternalFailure, "proxy_set_property", strings.Repeat("p", maxPath+1), "v")
	want(abi.InternalFailure, "proxy_set_property", "p", 0, maxProperties)
	r.want(abi.NotFound, "proxy_set_property", "my\x00own", "value") // of a root
}

func FuzzProperty(f *testing.F) {
	for _, s := range []string{"request\x00path", "request\x00headers\x00a", "response\x00code", "\x00\x00", "request.path", "upstream\x00port\x00"} {
		f.Add([]byte(s), "10.0.0.1:80")
	}
	s := propertyStream()
	s.resp = &exchange.Response{Status: 200, Body: exchange.NoBody}
	f.Fuzz(func(t *testing.T, path []byte, upstream string) {
		s.r.Record.Upstream = upstream
		path = trimPath(path)
		if v, ok := s.property(path, nil); !ok && len(v) > 0 {
			t.Errorf("property(%q) = %q, and not found", path, v)
		}
	})
}

func TestProperty_CodeOfWhatWasSentIsKnownAtTheEnd(t *testing.T) {
	t.Parallel()
	s := propertyStream()
	if got, ok := get(&s.guestContext, "response|code"); ok {
		t.Errorf("before there is a response: %q", got)
	}
	s.finished, s.r.Record.Status = true, 502 // an error page's: no response came by the guest
	if got, ok := get(&s.guestContext, "response|code"); !ok || got != numberOf(502) {
		t.Errorf("at the end: %q, %t, want 502", got, ok)
	}
}

func TestProperty_OfWhatOthersWriteIsNotRead(t *testing.T) {
	t.Parallel()
	s := propertyStream()
	s.r.Record.Upstream = "10.0.0.1:9000"
	s.in.sent, s.in.stage = true, inBody // which may be on another goroutine than the call
	for _, path := range []string{"upstream|address", "upstream|request_attempt_count", "response|trailers|x"} {
		if got, ok := get(&s.guestContext, path); ok {
			t.Errorf("%s = %q while it is being written", path, got)
		}
	}
	if _, ok := get(&s.guestContext, "request|path"); !ok {
		t.Error("request.path is not to be had")
	}
}
