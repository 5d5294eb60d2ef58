package cgi

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Write is the guest's writing to standard output: the head, and then content. It waits
// while nobody takes what was written before.
func (n *run) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.quietFrom = time.Now()
	all := len(p)
	if !n.headed {
		p = n.takeHead(p)
	}
	for len(p) > 0 && n.cause == nil {
		p = n.takeContent(p)
	}
	if n.cause != nil {
		return 0, errStopped
	}
	return all, nil
}

// takeHead takes what belongs to the head, and returns what does not.
func (n *run) takeHead(p []byte) []byte {
	old := len(n.raw)
	n.raw = append(n.raw, p[:min(len(p), maxHead+1-old)]...)
	end := headEnd(n.raw, n.looked)
	switch n.looked = len(n.raw); {
	case end < 0 && len(n.raw) > maxHead:
		n.stopLocked(errHeadLong)
		return nil
	case end < 0:
		return nil
	}
	var err error
	if n.head, err = parseHead(n.raw[:end]); err != nil {
		n.stopLocked(err)
		return nil
	}
	n.headed, n.raw = true, nil
	switch {
	case n.head.status == http.StatusNoContent || n.head.status == http.StatusNotModified:
		n.bodiless, n.awaited = true, true
	case exchange.Quiet(&n.head.header): // events are told as they come
		n.ripe = true
		signal(n.more)
	default:
		n.timer.Reset(n.guests.grace)
	}
	return p[end-old:]
}

// takeContent takes some of p, and waits where there is no room.
func (n *run) takeContent(p []byte) (rest []byte) {
	if n.bodiless {
		n.written += int64(len(p))
		return nil
	}
	if n.head.length >= 0 { // what is more than it announced is no content
		left := n.head.length - n.written
		if left == 0 {
			n.tooLong()
			return nil
		}
		if int64(len(p)) > left {
			n.tooLong()
			p = p[:left]
		}
	}
	if n.taken > 0 && n.taken == len(n.buf) {
		n.buf, n.taken = n.buf[:0], 0
	}
	k := min(len(p), cap(n.buf)-len(n.buf))
	n.buf = append(n.buf, p[:k]...)
	n.written += int64(k)
	if full := len(n.buf) == cap(n.buf); full || n.streams {
		n.ripe = true
		signal(n.more)
	}
	if p = p[k:]; len(p) > 0 {
		n.awaitRoom()
	}
	return p
}

// tooLong logs that once.
func (n *run) tooLong() {
	if !n.over {
		n.over = true
		n.guests.say(n, slog.LevelWarn, "wrote more than its Content-Length says")
	}
}

// awaitRoom waits until somebody has read, or the run shall end.
func (n *run) awaitRoom() {
	n.writing = true
	for n.cause == nil && n.taken < len(n.buf) {
		n.mu.Unlock()
		<-n.room
		n.mu.Lock()
	}
	n.writing = false
	n.quietFrom = time.Now()
}
