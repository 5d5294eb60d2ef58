package edge

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// forger is a client of TLS 1.2 that can send any record under the keys of its
// connection, which no library lets it.
type forger struct {
	net.Conn
	write, read       cipher.AEAD
	writeIV, readIV   []byte
	written, received uint64 // records
}

// eavesdropper keeps what the server says, for its random.
type eavesdropper struct {
	net.Conn
	heard []byte
}

func (e *eavesdropper) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	e.heard = append(e.heard, p[:n]...)
	return n, err
}

func newForger(t testing.TB, f *fixture) *forger {
	t.Helper()
	raw, err := net.Dial("tcp", f.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(10 * time.Second))
	var log strings.Builder
	e := &eavesdropper{Conn: raw}
	// Without tickets, so that all that comes after the handshake is what is asked for.
	c := tls.Client(e, &tls.Config{RootCAs: f.ca.pool, ServerName: "a.test", MaxVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, KeyLogWriter: &log})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(log.String()) // CLIENT_RANDOM random secret
	if len(words) != 3 {
		t.Fatalf("key log %q", log.String())
	}
	client, err1 := hex.DecodeString(words[1])
	secret, err2 := hex.DecodeString(words[2])
	if err1 != nil || err2 != nil || len(e.heard) < 43 {
		t.Fatalf("key log %q", log.String())
	}
	server := e.heard[11:43] // record header, message header, version
	block := expand(secret, "key expansion", append(append([]byte(nil), server...), client...), 40)
	s := &forger{Conn: raw, written: 1, received: 1, writeIV: block[32:36], readIV: block[36:40]} // the Finished were number 0
	s.write, s.read = gcm(t, block[:16]), gcm(t, block[16:32])
	return s
}

func gcm(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// expand is TLS 1.2's way to make keys of a secret (RFC 5246 §5).
func expand(secret []byte, label string, seed []byte, n int) (out []byte) {
	sum := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}

// additional is what is authenticated beside a record's content (RFC 5246 §6.2.3.3).
func additional(number uint64, kind byte, length int) []byte {
	b := binary.BigEndian.AppendUint64(nil, number)
	return binary.BigEndian.AppendUint16(append(b, kind, 3, 3), uint16(length))
}

func (s *forger) send(kind byte, content []byte) error {
	explicit := binary.BigEndian.AppendUint64(nil, s.written)
	sealed := s.write.Seal(explicit, append(append([]byte(nil), s.writeIV...), explicit...), content, additional(s.written, kind, len(content)))
	s.written++
	_, err := s.Write(record(kind, 0x0303, sealed))
	return err
}

// receive returns the next record, or 0 at the end.
func (s *forger) receive(t testing.TB) (kind byte, content string) {
	t.Helper()
	var head [5]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Error("the server keeps the connection open and says nothing")
		}
		return 0, ""
	}
	sealed := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(s, sealed); err != nil || len(sealed) < 24 {
		t.Fatalf("record of %d bytes, %v", len(sealed), err)
	}
	plain, err := s.read.Open(nil, append(append([]byte(nil), s.readIV...), sealed[:8]...), sealed[8:], additional(s.received, head[0], len(sealed)-24))
	if err != nil {
		t.Fatal(err)
	}
	s.received++
	return head[0], string(plain)
}

// rootFile returns a file with the certificate that clients trust.
func (f *fixture) rootFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// openssl runs s_client against f and returns all that it says.
func openssl(t testing.TB, f *fixture, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	all := append([]string{"s_client", "-connect", f.Addrs()[1].String(), "-CAfile", f.rootFile(t)}, args...)
	if !strings.Contains(strings.Join(args, " "), "-servername") {
		all = append(all, "-servername", "a.test")
	}
	cmd := exec.CommandContext(ctx, clients.Find(t, "openssl"), all...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	out, _ := cmd.CombinedOutput() // it fails where the handshake is to fail
	return string(out)
}
