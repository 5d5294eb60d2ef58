package edge

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/weirproxy/weir/edge/exchange"
)

// What graders of TLS servers ask from outside: testssl.sh, SSL Labs, and the attacks
// that have names. The server has certificates of both kinds, so that no suite is
// refused for want of a key.

// gradedFixture serves a.test, whatever is asked for, and tells how it was asked.
func gradedFixture(t testing.TB) *fixture {
	t.Helper()
	f := newFixture(t, Options{})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"a.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, f.ca.cert, key.Public(), f.ca.key)
	if err != nil {
		t.Fatal(err)
	}
	conf := BaseTLS()
	conf.Certificates = []tls.Certificate{f.cert, {Certificate: [][]byte{der}, PrivateKey: key}}
	snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		return text(tls.CurveID(r.Conn.TLS.Curve).String()).Handle(r)
	})}})
	snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) {
		if h.ServerName != "a.test" && h.ServerName != "" {
			return Security{}, errors.New("no site of that name")
		}
		return Security{Config: conf}, nil
	}
	f.apply(t, snap)
	return f
}

// keyShare is a client's for X25519.
func keyShare(t testing.TB) []byte {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key.PublicKey().Bytes()
}

func TestGrade_OldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	every := []uint16{0x002f, 0x0035, 0x000a, 0x0005, 0x0004, 0xc013, 0xc014, 0xc009, 0xc00a, 0xc012, 0xc011, 0xc02f, 0xc02b}
	for _, record := range []uint16{0x0300, 0x0301, 0x0303} {
		for _, version := range []uint16{0x0200, 0x0300, 0x0301, 0x0302} {
			if got := f.provoke(t, rawHello{record: record, version: version, suites: every}.bytes()); got.alert != protocolVersion || !got.closed {
				t.Errorf("version %04x in a record of %04x: got %v, want alert %d and the end", version, record, got, protocolVersion)
			}
		}
	}
	for _, versions := range [][]uint16{{0x0302}, {0x0302, 0x0301, 0x0300}, {0x0305}, {0x7f1c}, {0x0a0a}} {
		if got := f.provoke(t, rawHello{versions: versions, keyShare: keyShare(t), suites: every}.bytes()); got.alert != protocolVersion {
			t.Errorf("versions %04x: got %v, want alert %d", versions, got, protocolVersion)
		}
	}
	sslv2 := []byte{0x80, 0x1c, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	if got := f.provoke(t, sslv2); got.suite != 0 || !got.closed {
		t.Errorf("SSL 2.0: got %v, want it refused", got)
	}
	for version, hello := range map[uint16]rawHello{
		tls.VersionTLS12: {}, // a hello of nine out of ten programs of 2015
		tls.VersionTLS13: {versions: []uint16{0x0304, 0x0303}, keyShare: keyShare(t), suites: []uint16{0x1301, 0x1302, 0x1303, 0xc02b}},
	} {
		if got := f.provoke(t, hello.bytes()); got.version != version {
			t.Errorf("%04x: got %v", version, got)
		}
	}
}

// TestGrade_SuitesAreAuthenticatedAndForwardSecret offers every suite there is or was,
// one at a time: there is no NULL, anonymous, EXPORT, RC4, DES, 3DES, CBC, CCM, PSK,
// SRP, static RSA or finite-field one that the server would take.
func TestGrade_SuitesAreAuthenticatedAndForwardSecret(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	offer := func(hello rawHello, from, to uint16) (taken []uint16) {
		for suite := from; suite <= to; suite++ {
			hello.suites = []uint16{suite}
			got := f.provoke(t, hello.bytes())
			if got.version != 0 && got.suite == suite {
				taken = append(taken, suite)
			} else if !got.closed || got.alert != handshakeFailure && got.alert != protocolVersion {
				t.Errorf("suite %04x: got %v", suite, got)
			}
		}
		return taken
	}
	var old []uint16
	for _, span := range [][2]uint16{{0x0000, 0x00ff}, {0xc000, 0xc0ff}, {0xcc13, 0xcc15}, {0xcca8, 0xccae}, {0xd001, 0xd005}, {0xfefe, 0xfeff}, {0x1301, 0x1307}} {
		old = append(old, offer(rawHello{}, span[0], span[1])...)
	}
	want := slices.Sorted(slices.Values(modernSuites))
	if !slices.Equal(slices.Sorted(slices.Values(old)), want) {
		t.Errorf("TLS 1.2: takes %04x, want %04x", old, want)
	}
	modern := rawHello{versions: []uint16{0x0304}, keyShare: keyShare(t)}
	if got := append(offer(modern, 0x1301, 0x1307), offer(modern, 0xc02b, 0xc030)...); !slices.Equal(got, []uint16{0x1301, 0x1302, 0x1303}) {
		t.Errorf("TLS 1.3: takes %04x", got)
	}
}

func TestGrade_KeyExchanges(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	for _, tt := range []struct {
		groups []tls.CurveID
		want   string
	}{
		{nil, "X25519MLKEM768"},
		{[]tls.CurveID{tls.X25519}, "X25519"},
		{[]tls.CurveID{tls.CurveP256}, "CurveP256"},
		{[]tls.CurveID{tls.CurveP384}, "CurveP384"},
		{[]tls.CurveID{tls.CurveP256, tls.X25519MLKEM768}, "X25519MLKEM768"},
	} {
		for _, transport := range []string{"TCP", "QUIC"} {
			got, err := f.hello(t, transport, &tls.Config{ServerName: "a.test", CurvePreferences: tt.groups}, "a.test")
			if err != nil || got != "200 "+tt.want {
				t.Errorf("%s, %v: got %q, %v; want %q", transport, tt.groups, got, err, tt.want)
			}
		}
	}
	// Small, binary and finite-field groups (Logjam), and no group at all.
	for _, group := range []uint16{1, 6, 9, 14, 19, 21, 22, 26, 30, 256, 257, 260, 0xff01} {
		if got := f.provoke(t, rawHello{groups: []uint16{group}}.bytes()); got.alert != handshakeFailure {
			t.Errorf("group %d, TLS 1.2: got %v, want alert %d", group, got, handshakeFailure)
		}
		if got := f.provoke(t, rawHello{groups: []uint16{group}, versions: []uint16{0x0304}, suites: []uint16{0x1301}, keyShare: keyShare(t)}.bytes()); got.suite != 0 {
			t.Errorf("group %d, TLS 1.3: got %v, want it refused", group, got)
		}
	}
	for _, schemes := range [][]uint16{{0x0203}, {0x0201}, {0x0203, 0x0201, 0x0202, 0x0101, 0x0103}} {
		if got := f.flight(t, rawHello{signatures: schemes}); got != handshakeFailure {
			t.Errorf("signatures %04x, of SHA-1 and MD5: got alert %d, want %d", schemes, got, handshakeFailure)
		}
	}
	if got := f.flight(t, rawHello{without: extSignatures}); got != handshakeFailure {
		t.Errorf("no signatures named, which stands for SHA-1: got alert %d, want %d", got, handshakeFailure)
	}
	if got := f.flight(t, rawHello{}); got != 0 {
		t.Errorf("a hello that is right: got alert %d", got)
	}
}

func TestGrade_DowngradesAreSeen(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	// A client that comes again with less than it could: RFC 7507.
	if got := f.provoke(t, rawHello{suites: append([]uint16{0x5600}, modernSuites...)}.bytes()); got.alert != inappropriateFallback {
		t.Errorf("TLS_FALLBACK_SCSV: got %v, want alert %d", got, inappropriateFallback)
	}
	// A client that could do more, and of whose hello that was taken away: RFC 8446 §4.1.3.
	if got := f.provoke(t, rawHello{}.bytes()); len(got.random) != 32 || string(got.random[24:]) != "DOWNGRD\x01" {
		t.Errorf("the server's random does not warn: %x", got.random)
	}
}

func TestGrade_ServerHello(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	session := bytes.Repeat([]byte{7}, 32)
	hello := rawHello{session: session, compression: []byte{1, 0}, more: map[int][]byte{extReneg: {0}, extHeartbeat: {1}, extTicket: nil}}
	got := f.provoke(t, hello.bytes())
	if got.method != 0 {
		t.Errorf("compression %d was chosen (CRIME)", got.method)
	}
	if v, ok := got.has[extReneg]; !ok || !bytes.Equal(v, []byte{0}) {
		t.Errorf("secure renegotiation (RFC 5746): got %x, %v", v, ok)
	}
	if _, ok := got.has[extMasterSecret]; !ok {
		t.Error("no extended master secret (RFC 7627; Triple Handshake)")
	}
	if _, ok := got.has[extHeartbeat]; ok {
		t.Error("heartbeats are offered (Heartbleed)")
	}
	if bytes.Equal(got.session, session) && len(session) > 0 {
		t.Error("a session was resumed by its number, without a ticket")
	}
	hello.more = nil
	hello.suites = append([]uint16{0x00ff}, modernSuites...)
	if _, ok := f.provoke(t, hello.bytes()).has[extReneg]; !ok {
		t.Error("no secure renegotiation for who asks by the suite")
	}
	if got := f.provoke(t, rawHello{compression: []byte{1}}.bytes()); got.suite != 0 {
		t.Errorf("compression only: got %v", got)
	}
	if got := f.provoke(t, rawHello{compression: []byte{1, 0}, versions: []uint16{0x0304}, suites: []uint16{0x1301}, keyShare: keyShare(t)}.bytes()); got.alert != illegalParameter {
		t.Errorf("compression and TLS 1.3: got %v, want alert %d", got, illegalParameter)
	}
	if got := f.provoke(t, rawHello{more: map[int][]byte{extReneg: {12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}}.bytes()); got.suite != 0 {
		t.Errorf("renegotiation of a connection that was never negotiated: got %v", got)
	}
	// Ticketbleed: a short number with a ticket that is none must not come back longer.
	got = f.provoke(t, rawHello{session: []byte{1}, more: map[int][]byte{extTicket: bytes.Repeat([]byte{9}, 160)}}.bytes())
	if got.suite == 0 || len(got.session) > 1 {
		t.Errorf("short session number: got %v and %x", got, got.session)
	}
	// What comes tomorrow must be ignored today (RFC 8701).
	grease := rawHello{suites: append([]uint16{0x0a0a, 0x5a5a}, modernSuites...), groups: []uint16{0x1a1a, 29}, signatures: []uint16{0xfafa, 0x0403}, versions: []uint16{0x2a2a, 0x0303},
		more: map[int][]byte{0x3a3a: {1, 2, 3}, 0xeaea: nil, 21: make([]byte, 300)}}
	if got := f.provoke(t, grease.bytes()); got.version != tls.VersionTLS12 || got.suite == 0 {
		t.Errorf("GREASE: got %v", got)
	}
}

func TestGrade_ProtocolsAndNames(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	for version, hello := range map[string]rawHello{
		"TLS 1.2": {}, "TLS 1.3": {versions: []uint16{0x0304}, suites: []uint16{0x1301}, keyShare: keyShare(t)},
	} {
		hello.protocols = []string{"spdy/3", "acme-tls/1", "h3"}
		if got := f.provoke(t, hello.bytes()); got.alert != noApplicationProtocol || !got.closed {
			t.Errorf("%s, no protocol in common: got %v, want alert %d (ALPACA)", version, got, noApplicationProtocol)
		}
		hello.protocols = nil
		for _, name := range []string{"unknown.test", "a.test.", "a..test", "-a.test"} {
			hello.name = name
			if got := f.provoke(t, hello.bytes()); got.suite != 0 || !got.closed || name == "unknown.test" && got.alert != unrecognizedName {
				t.Errorf("%s, name %q: got %v, want it refused, by alert %d if it could be one", version, name, got, unrecognizedName)
			}
		}
		hello.name = "-"
		if got := f.provoke(t, hello.bytes()); got.suite == 0 {
			t.Errorf("%s, no name: got %v, want what is served at that address", version, got)
		}
	}
	for name, tt := range map[string]struct {
		conf *tls.Config
		code quic.TransportErrorCode
	}{
		"no protocol in common": {&tls.Config{ServerName: "a.test", NextProtos: []string{"hq"}}, 0x100 + noApplicationProtocol},
		"unknown name":          {&tls.Config{ServerName: "unknown.test", NextProtos: []string{"h3"}}, 0x100 + unrecognizedName},
	} {
		tt.conf.RootCAs = f.ca.pool
		var e *quic.TransportError
		if err := dialQUIC(t, f, tt.conf); !errors.As(err, &e) || e.ErrorCode != tt.code {
			t.Errorf("QUIC, %s: got %v, want %v", name, err, tt.code)
		}
	}
}

// TestGrade_TicketsOfTCP: each is another one, none promises early data, and TLS 1.2
// has no other way to resume.
func TestGrade_TicketsOfTCP(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	for _, transport := range transports[:2] {
		w, seen := newWallet(), map[string]bool{}
		for i := range 3 {
			state, err := f.handshake(t, transport, "a.test", "", w)
			if err != nil || state.DidResume != (i > 0) {
				t.Fatalf("%s: resumed %v, %v", transport, state.DidResume, err)
			}
			session, _ := w.Get("")
			ticket, resumption, err := session.ResumptionState()
			if err != nil || resumption.EarlyData {
				t.Errorf("%s: early data is promised: %v, %v", transport, resumption.EarlyData, err)
			}
			if transport == "TLS 1.3" && seen[string(ticket)] { // in TLS 1.2 it stays that of the first handshake until it expires
				t.Errorf("%s: a ticket was given out twice", transport)
			}
			seen[string(ticket)] = true
		}
	}
}

// TestGrade_BrokenRecordsEndTheConnection: by an alert where one is due, in time, and
// without a word of memory.
func TestGrade_BrokenRecordsEndTheConnection(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	hello := rawHello{}.bytes()
	long := rawHello{more: map[int][]byte{21: make([]byte, 16000)}}.bytes()
	heartbeat := []byte{recordHeartbeat, 3, 3, 0, 3, 1, 0x40, 0} // says 16 KiB, has none
	for _, tt := range []struct {
		name  string
		send  [][]byte
		alert int // -1: any or none
	}{
		{"random bytes", [][]byte{bytes.Repeat([]byte{0xa5, 0x17, 0x03}, 100)}, -1},
		{"nothing but zeros", [][]byte{make([]byte, 64)}, -1},
		{"SSH", [][]byte{[]byte("SSH-2.0-x\r\n")}, -1},
		{"a heartbeat before all (Heartbleed)", [][]byte{heartbeat}, -1},
		{"change of cipher before all (CVE-2014-0224)", [][]byte{{recordCCS, 3, 1, 0, 1, 1}}, -1},
		{"data before all", [][]byte{record(recordData, 0x0303, []byte("GET / HTTP/1.1\r\n\r\n"))}, -1},
		{"record too long", [][]byte{{recordHandshake, 3, 1, 0x48, 0x01}, make([]byte, 100)}, recordOverflow},
		{"message too long", [][]byte{record(recordHandshake, 0x0301, []byte{1, 1, 0, 1}), make([]byte, 100)}, -1},
		{"empty hello", [][]byte{record(recordHandshake, 0x0301, []byte{1, 0, 0, 0})}, decodeError},
		{"hello with a tail", [][]byte{record(recordHandshake, 0x0301, append([]byte{1, 0, 0, byte(len(hello) - 5 - 4 + 1)}, append(hello[9:], 0)...))}, decodeError},
		{"server's hello", [][]byte{record(recordHandshake, 0x0301, append([]byte{2}, hello[6:]...))}, -1},
		{"finished at once", [][]byte{record(recordHandshake, 0x0303, append([]byte{20, 0, 0, 12}, make([]byte, 12)...))}, unexpectedMessage},
		{"warnings without end", [][]byte{bytes.Repeat([]byte{recordAlert, 3, 1, 0, 2, 1, 90}, 100)}, unexpectedMessage},
		{"empty records without end", [][]byte{bytes.Repeat([]byte{recordHandshake, 3, 1, 0, 0}, 100)}, unexpectedMessage},
		{"two hellos of different names", [][]byte{rawHello{name: "unknown.test"}.bytes(), hello}, unrecognizedName},
		{"unknown signature and name twice", [][]byte{rawHello{more: map[int][]byte{0: {0, 9, 0, 0, 6, 'a', '.', 't', 'e', 's', 't'}}}.bytes()}, decodeError},
	} {
		got := f.provoke(t, tt.send...)
		if got.suite != 0 || !got.closed || tt.alert >= 0 && got.alert != tt.alert {
			t.Errorf("%s: got %v, want alert %d and the end", tt.name, got, tt.alert)
		}
	}
	if got := f.provoke(t, long); got.suite == 0 {
		t.Errorf("a long hello that is right: got %v", got)
	}
	for _, garbage := range [][]byte{heartbeat, {recordData, 3, 3, 0, 1, 0}, {99, 3, 3, 0, 1, 0}, record(recordHandshake, 0x0303, []byte{20, 0, 0, 0}), rawHello{}.bytes()} {
		c, err := net.Dial("tcp", f.Addrs()[1].String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(10 * time.Second))
		c.Write(hello)
		if got := readReply(t, c); got.suite == 0 {
			t.Fatalf("hello: got %v", got)
		}
		c.Write(garbage)
		rest, err := io.ReadAll(c)
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			t.Errorf("amid the handshake, %x: the connection stays open", garbage)
		}
		if bytes.Contains(rest, []byte{recordHeartbeat, 3, 3}) || len(rest) > 8<<10 {
			t.Errorf("amid the handshake, %x: got %d bytes", garbage, len(rest))
		}
		c.Close()
	}
	// All of which has hurt nobody else.
	if got, err := f.hello(t, "TCP", &tls.Config{ServerName: "a.test"}, "a.test"); err != nil || got != "200 X25519MLKEM768" {
		t.Errorf("afterwards: got %q, %v", got, err)
	}
}

// TestGrade_FinishedConnectionsTakeDataOnly: a client that would renegotiate, or sends
// heartbeats, under the keys of TLS 1.2, loses its connection; nothing is answered.
func TestGrade_FinishedConnectionsTakeDataOnly(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	for _, tt := range []struct {
		name    string
		kind    byte
		content []byte
	}{
		{"renegotiation", recordHandshake, rawHello{more: map[int][]byte{extReneg: {0}}}.message()},
		{"renegotiation without the extension", recordHandshake, rawHello{}.message()},
		{"heartbeat", recordHeartbeat, []byte{1, 0x40, 0}},
		{"a hello request, which is the server's to send", recordHandshake, []byte{0, 0, 0, 0}},
		{"change of cipher", recordCCS, []byte{1}},
	} {
		c := newForger(t, f)
		if err := c.send(recordData, []byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if kind, content := c.receive(t); kind != recordData || !strings.HasPrefix(content, "HTTP/1.1 200 ") {
			t.Fatalf("%s: the forged record is no good: got %d %q", tt.name, kind, content)
		}
		c.send(tt.kind, tt.content)
		for {
			kind, content := c.receive(t)
			if kind == 0 {
				break
			}
			if kind != recordAlert {
				t.Errorf("%s: got a record of type %d, %x", tt.name, kind, content)
			}
		}
	}
}

// TestGrade_OpenSSL is a second opinion.
func TestGrade_OpenSSL(t *testing.T) {
	t.Parallel()
	f := gradedFixture(t)
	for _, tt := range []struct {
		name, stdin string
		args        []string
		want, never string
	}{
		{"TLS 1.0", "", []string{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, "alert protocol version", ""},
		{"TLS 1.1", "", []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, "alert protocol version", ""},
		{"CBC", "", []string{"-tls1_2", "-cipher", "ECDHE+AES+SHA1:ECDHE+AES+SHA256:ECDHE+AES+SHA384:!AESGCM:@SECLEVEL=0"}, "alert handshake failure", ""},
		{"static RSA", "", []string{"-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"}, "alert handshake failure", ""},
		{"anonymous and NULL", "", []string{"-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"}, "alert handshake failure", ""},
		{"TLS 1.2", "", []string{"-tls1_2"}, "Secure Renegotiation IS supported", "Compression: zlib"},
		{"TLS 1.2, forward secrecy", "", []string{"-tls1_2"}, "ECDHE-ECDSA-AES", ""},
		{"TLS 1.3", "", []string{"-tls1_3"}, "TLSv1.3, Cipher is TLS_", ""},
		{"verified", "", []string{"-verify_return_error"}, "Verify return code: 0 (ok)", ""},
		{"renegotiation", "R\n", []string{"-tls1_2"}, "alert unexpected message", ""},
		{"unknown name", "", []string{"-servername", "unknown.test"}, "unrecognized name", ""},
		{"protocols", "", []string{"-alpn", "h2,http/1.1"}, "ALPN protocol: h2", ""},
		{"fallback", "", []string{"-tls1_2", "-fallback_scsv"}, "inappropriate fallback", ""},
	} {
		out := openssl(t, f, tt.stdin, tt.args...)
		if !strings.Contains(out, tt.want) || tt.never != "" && strings.Contains(out, tt.never) {
			t.Errorf("%s: want %q and not %q in\n%s", tt.name, tt.want, tt.never, out)
		}
	}
	if out := openssl(t, f, "", "-tls1_2", "-reconnect"); strings.Count(out, "Reused,") < 5 {
		t.Errorf("five reconnections: want all resumed\n%s", out)
	}
}
