package attack

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// IdleHerd opens t.Conns connections, asks for t.Path on each once, and holds
// them without a word until ctx ends. t.Ready tells when all are open: the time to
// measure what they cost. Unit: a connection. At most 64 dial at a time.
func IdleHerd(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(1)
	slots := make(chan struct{}, 64)
	return t.swarm(ctx, func(ctx context.Context, ready func(), s *Stats) error {
		slots <- struct{}{}
		free := func() { <-slots }
		c, done, err := t.dial(ctx, "http/1.1", s)
		if err != nil {
			free()
			return err
		}
		defer done()
		start := time.Now()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", t.Path, t.Host)
		r := bufio.NewReaderSize(c, 1<<10)
		response, err := http.ReadResponse(r, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
		}
		free()
		if err != nil {
			s.cutBy(ctx, "unanswered")
			return nil
		}
		s.Sent++
		s.Answered++
		ready()
		_, err = r.ReadByte() // returns when the server closes or ctx ends
		s.Held = time.Since(start)
		if ctx.Err() != nil {
			s.end("open", 1)
		} else {
			s.Cut++
			s.end(endOf(err), 1)
		}
		return nil
	})
}

func endOf(err error) string {
	switch err {
	case nil:
		return "data"
	case io.EOF:
		return "eof"
	}
	return "reset"
}
