package http1

import (
	"net"
	"sync"
)

// RecordWriter is the connection below a tls.Conn. While it is held, it gathers
// the records that one write of ours becomes, so that they leave in one system
// call; otherwise, as during the handshake, it passes everything straight through.
// It is used by one goroutine at a time, as far as writing goes.
type RecordWriter struct {
	net.Conn
	held bool
	pool *sync.Pool // of *[]byte
	buf  *[]byte    // nil while nothing is gathered
}

// NewRecordWriter returns a RecordWriter over c. Give it to tls.Server, with
// DynamicRecordSizingDisabled, and both to [Server.ServeConn].
func NewRecordWriter(c net.Conn) *RecordWriter { return &RecordWriter{Conn: c} }

// recordRoom is what one held write becomes at most: its content and, for every
// 16 KiB of it, a record's header, type and tag (RFC 8446 §5.2); with room to spare.
const recordRoom = largePiece + 2048

// Write implements net.Conn.
func (w *RecordWriter) Write(p []byte) (int, error) {
	if !w.held {
		return w.Conn.Write(p)
	}
	if w.buf == nil {
		w.buf = w.pool.Get().(*[]byte)
	}
	if len(*w.buf)+len(p) > cap(*w.buf) {
		if err := w.send(); err != nil {
			return 0, err
		}
		if len(p) > cap(*w.buf) {
			return w.Conn.Write(p)
		}
	}
	*w.buf = append(*w.buf, p...)
	return len(p), nil
}

// hold makes w gather what is written until flush.
func (w *RecordWriter) hold() { w.held = true }

// flush sends what was gathered, ends holding, and gives the memory back.
func (w *RecordWriter) flush() error {
	w.held = false
	if w.buf == nil {
		return nil
	}
	err := w.send()
	w.pool.Put(w.buf)
	w.buf = nil
	return err
}

func (w *RecordWriter) send() error {
	_, err := w.Conn.Write(*w.buf)
	*w.buf = (*w.buf)[:0]
	return err
}
