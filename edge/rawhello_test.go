package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// Numbers of TLS that crypto/tls keeps to itself (RFC 8446 §4.2, §5.1, §6).
const (
	recordCCS, recordAlert, recordHandshake, recordData, recordHeartbeat = 20, 21, 22, 23, 24

	extName, extGroups, extPoints, extSignatures, extHeartbeat, extALPN = 0, 10, 11, 13, 15, 16
	extMasterSecret, extTicket, extVersions, extKeyShare, extReneg      = 23, 35, 43, 51, 0xff01

	unexpectedMessage, recordOverflow, handshakeFailure, illegalParameter = 10, 22, 40, 47
	decodeError, protocolVersion, inappropriateFallback                   = 50, 70, 86
	unrecognizedName, noApplicationProtocol                               = 112, 120
)

// rawHello is a ClientHello byte by byte, so that it can ask for what no library
// offers any more. Fields that are nil have the values of a modern client of TLS 1.2.
type rawHello struct {
	record      uint16 // version of the record; 0: 0x0301
	version     uint16 // 0: 0x0303
	session     []byte
	suites      []uint16
	compression []byte
	name        string // "": a.test; "-": none
	groups      []uint16
	signatures  []uint16
	versions    []uint16 // of the extension; nil: there is none
	protocols   []string
	keyShare    []byte // of X25519; nil: there is none
	without     int    // an extension to leave out
	more        map[int][]byte
}

var modernSuites = []uint16{0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8}

func list16(prefix int, values []uint16) []byte {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	if prefix == 1 {
		return append([]byte{byte(len(b))}, b...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

func orElse(got, other []uint16) []uint16 {
	if got == nil {
		return other
	}
	return got
}

// message returns the handshake message.
func (h rawHello) message() []byte {
	b := binary.BigEndian.AppendUint16(nil, max(h.version, 0x0200))
	if h.version == 0 {
		b = []byte{3, 3}
	}
	b = append(b, make([]byte, 32)...) // the random
	b = append(append(b, byte(len(h.session))), h.session...)
	b = append(b, list16(2, orElse(h.suites, modernSuites))...)
	if h.compression == nil {
		h.compression = []byte{0}
	}
	b = append(append(b, byte(len(h.compression))), h.compression...)
	extensions := h.extensions()
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(extensions))), extensions...)
	return append([]byte{1, byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
}

func (h rawHello) extensions() (b []byte) {
	add := func(kind int, content []byte) {
		if kind != h.without || kind == extName {
			b = binary.BigEndian.AppendUint16(b, uint16(kind))
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(content))), content...)
		}
	}
	if h.name == "" {
		h.name = "a.test"
	}
	if h.name != "-" {
		entry := append([]byte{0, 0, byte(len(h.name))}, h.name...)
		add(extName, append([]byte{0, byte(len(entry))}, entry...))
	}
	add(extGroups, list16(2, orElse(h.groups, []uint16{29, 23, 24})))
	add(extPoints, []byte{1, 0})
	add(extSignatures, list16(2, orElse(h.signatures, []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501})))
	add(extMasterSecret, nil)
	if h.versions != nil {
		add(extVersions, list16(1, h.versions))
	}
	if h.keyShare != nil {
		share := append([]byte{0, 29, 0, byte(len(h.keyShare))}, h.keyShare...)
		add(extKeyShare, append([]byte{0, byte(len(share))}, share...))
	}
	if h.protocols != nil {
		var all []byte
		for _, p := range h.protocols {
			all = append(append(all, byte(len(p))), p...)
		}
		add(extALPN, append([]byte{0, byte(len(all))}, all...))
	}
	for kind, content := range h.more {
		add(kind, content)
	}
	return b
}

// bytes returns the hello in its record.
func (h rawHello) bytes() []byte {
	version := h.record
	if version == 0 {
		version = 0x0301
	}
	return record(recordHandshake, version, h.message())
}

func record(kind byte, version uint16, content []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, version)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(content))), content...)
}

// reply is what a server says first.
type reply struct {
	alert   int // 0: none came
	version uint16
	random  []byte
	session []byte
	suite   uint16
	method  byte // of compression
	has     map[int][]byte
	closed  bool // it closed the connection, or had nothing more to say
}

func (r reply) String() string {
	if r.suite != 0 {
		return fmt.Sprintf("version %04x, suite %04x", r.version, r.suite)
	}
	return fmt.Sprintf("alert %d, closed %v", r.alert, r.closed)
}

var errCut = errors.New("the server's answer is cut short")

// provoke sends bytes to f's secure listener and reads its first record.
func (f *fixture) provoke(t testing.TB, send ...[]byte) reply {
	t.Helper()
	c, err := net.Dial("tcp", f.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	for _, b := range send {
		if _, err := c.Write(b); err != nil { // it has closed already
			break
		}
	}
	return readReply(t, c)
}

func readReply(t testing.TB, c net.Conn) (r reply) {
	t.Helper()
	var head [5]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			t.Error("the server keeps the connection open and says nothing")
		}
		r.closed = true
		return r
	}
	content := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(c, content); err != nil {
		t.Fatal(err)
	}
	switch {
	case head[0] == recordAlert && len(content) == 2:
		r.alert = int(content[1])
		_, err := io.Copy(io.Discard, c)
		e, ok := errors.AsType[net.Error](err)
		r.closed = !ok || !e.Timeout()
	case head[0] == recordHandshake && content[0] == 2:
		if err := r.serverHello(content[4:]); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the server began with a record of type %d: %x", head[0], content)
	}
	return r
}

// flight reads all that TLS 1.2 answers a hello with, and returns the alert that it
// ends with, or 0 if the server has done its part.
func (f *fixture) flight(t testing.TB, h rawHello) (alert int) {
	t.Helper()
	c, err := net.Dial("tcp", f.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.Write(h.bytes())
	var messages []byte
	for {
		var head [5]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(c, content); err != nil {
			t.Fatal(err)
		}
		if head[0] == recordAlert {
			return int(content[1])
		}
		messages = append(messages, content...)
		if bytes.HasSuffix(messages, []byte{14, 0, 0, 0}) { // server hello done
			return 0
		}
	}
}

func (r *reply) serverHello(b []byte) error {
	take := func(n int) (piece []byte) {
		if n > len(b) {
			b = nil
			return make([]byte, n)
		}
		piece, b = b[:n], b[n:]
		return piece
	}
	r.version = binary.BigEndian.Uint16(take(2))
	r.random = take(32)
	r.session = take(int(take(1)[0]))
	r.suite = binary.BigEndian.Uint16(take(2))
	r.method = take(1)[0]
	r.has = map[int][]byte{}
	if len(b) < 2 {
		return nil
	}
	b = take(int(binary.BigEndian.Uint16(take(2))))
	for len(b) > 0 {
		kind := int(binary.BigEndian.Uint16(take(2)))
		r.has[kind] = take(int(binary.BigEndian.Uint16(take(2))))
		if b == nil {
			return errCut
		}
	}
	if v := r.has[extVersions]; len(v) == 2 {
		r.version = binary.BigEndian.Uint16(v)
	}
	return nil
}
