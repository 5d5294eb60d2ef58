package static

import (
	"encoding/base32"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
)

// parts answers with several ranges as multipart/byteranges (RFC 9110 §14.6).
func (e *entry) parts(r *exchange.Request, f *form, list []span) *exchange.Response {
	// The boundary must not occur in the content: nobody can know it in advance.
	var random [15]byte
	binary.LittleEndian.PutUint64(random[:], rand.Uint64())
	binary.LittleEndian.PutUint64(random[7:], rand.Uint64())
	boundary := base32.StdEncoding.EncodeToString(random[:])

	resp := r.NewResponse(http.StatusPartialContent)
	resp.Header.Append("content-type", "multipart/byteranges; boundary="+boundary)
	kind := ""
	for _, field := range f.fields {
		if field.Name == "content-type" {
			kind = field.Value
		} else {
			resp.Header.Append(field.Name, field.Value)
		}
	}
	m := &multipart{content: f.reader(), release: e.release}
	for i, s := range list {
		head := "\r\n--" + boundary + "\r\ncontent-type: " + kind + "\r\ncontent-range: " + s.contentRange(f.size) + "\r\n\r\n"
		if i == 0 {
			head = head[2:]
		}
		m.pieces = append(m.pieces, piece{head: head, span: s})
		m.left += int64(len(head)) + s.n
	}
	tail := "\r\n--" + boundary + "--\r\n"
	m.pieces = append(m.pieces, piece{head: tail})
	m.left += int64(len(tail))
	resp.Body = m
	return resp
}

// multipart is a body of pieces of one file.
type multipart struct {
	content io.ReaderAt
	pieces  []piece // what is left
	left    int64
	release func()
}

// piece is text followed by a part of the file.
type piece struct {
	head string
	span
}

var _ exchange.Body = (*multipart)(nil)

// Read implements exchange.Body.
func (m *multipart) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	total := 0
	for len(p) > 0 && m.left > 0 {
		n, err := m.pieces[0].read(p, m.content)
		p, total, m.left = p[n:], total+n, m.left-int64(n)
		if err != nil {
			return total, err
		}
		if m.pieces[0].head == "" && m.pieces[0].n == 0 {
			m.pieces = m.pieces[1:]
		}
	}
	return total, nil
}

func (c *piece) read(p []byte, content io.ReaderAt) (int, error) {
	if c.head != "" {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := content.ReadAt(p[:min(int64(len(p)), c.n)], c.off)
	c.off, c.n = c.off+int64(n), c.n-int64(n)
	if err == io.EOF {
		if err = nil; n == 0 && c.n > 0 {
			err = io.ErrUnexpectedEOF // the file has become shorter
		}
	}
	return n, err
}

// Len implements exchange.Body.
func (m *multipart) Len() int64 { return m.left }

// Close implements exchange.Body.
func (m *multipart) Close() error {
	if release := m.release; release != nil {
		m.release = nil
		release()
	}
	m.left, m.pieces = 0, nil
	return nil
}
