package nethttp

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framed is one stream on an HTTP/2 connection of its own, written frame by frame,
// since no client library sends extended CONNECTs as clients in the wild do: it
// acknowledges every piece of content at once, with a frame each for the stream and
// for the connection.
type framed struct {
	*io.PipeReader
	heads chan *http.Response
	mu    sync.Mutex // guards what follows
	f     *http2.Framer
	room  *sync.Cond
	left  [2]int // windows for the connection, and for the stream
	err   error
}

func newFramed(t testing.TB, c io.ReadWriter) *framed {
	t.Helper()
	s := &framed{f: http2.NewFramer(c, c), heads: make(chan *http.Response, 1), left: [2]int{65535, 65535}}
	s.room = sync.NewCond(&s.mu)
	s.f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := s.f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var w *io.PipeWriter
	s.PipeReader, w = io.Pipe()
	go func() {
		err := s.listen(w)
		w.CloseWithError(err)
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		s.room.Broadcast()
		close(s.heads)
	}()
	return s
}

func (s *framed) connect(fields []string) (*http.Response, connected, error) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		enc.WriteField(hpack.HeaderField{Name: http2Name(fields[i]), Value: fields[i+1]})
	}
	s.mu.Lock()
	err := s.f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	s.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	resp := <-s.heads
	if resp == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return nil, nil, s.err
	}
	return resp, s, nil
}

func http2Name(name string) string { return string(bytes.ToLower([]byte(name))) }

// listen reads frames until the stream has ended. io.EOF is an end in order.
func (s *framed) listen(w *io.PipeWriter) error {
	for {
		frame, err := s.f.ReadFrame()
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			resp := &http.Response{Header: http.Header{}}
			resp.StatusCode, _ = strconv.Atoi(frame.PseudoValue("status"))
			for _, f := range frame.RegularFields() {
				resp.Header.Add(f.Name, f.Value)
			}
			s.heads <- resp
		case *http2.DataFrame:
			w.Write(frame.Data())
			if n := uint32(len(frame.Data())); n > 0 {
				s.mu.Lock()
				s.f.WriteWindowUpdate(0, n)
				s.f.WriteWindowUpdate(1, n)
				s.mu.Unlock()
			}
		case *http2.RSTStreamFrame:
			return http2.StreamError{StreamID: 1, Code: frame.ErrCode}
		case *http2.GoAwayFrame:
			return http2.ConnectionError(frame.ErrCode)
		default:
			s.control(frame)
		}
		if frame.Header().StreamID == 1 && frame.Header().Type != http2.FrameWindowUpdate && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return io.EOF
		}
	}
}

func (s *framed) control(frame http2.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if v, ok := frame.Value(http2.SettingInitialWindowSize); ok {
			s.left[1] += int(v) - 65535
		}
		if !frame.IsAck() {
			s.f.WriteSettingsAck()
		}
	case *http2.WindowUpdateFrame:
		s.left[frame.StreamID] += int(frame.Increment)
	case *http2.PingFrame:
		if !frame.IsAck() {
			s.f.WritePing(true, frame.Data)
		}
	}
	s.room.Broadcast()
}

// Write sends p as one frame.
func (s *framed) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && min(s.left[0], s.left[1]) < len(p) {
		s.room.Wait()
	}
	if s.err != nil {
		return 0, s.err
	}
	s.left[0] -= len(p)
	s.left[1] -= len(p)
	return len(p), s.f.WriteData(1, false, p)
}

func (s *framed) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.WriteData(1, true, nil)
}

func (s *framed) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.f.WriteRSTStream(1, http2.ErrCodeCancel)
}
