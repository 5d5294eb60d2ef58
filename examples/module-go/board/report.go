package board

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// report counts the words of all notices, each on a goroutine of its own, while the
// browser fetches what the page will want.
func (b *Board) report(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Link", "</static/board.css>; rel=preload; as=style")
	w.WriteHeader(http.StatusEarlyHints)
	var all sync.WaitGroup
	var words atomic.Int64
	list := b.notices.list()
	lengths := make([]int, len(list))
	for i, n := range list {
		all.Go(func() {
			time.Sleep(time.Millisecond) // as if it had to be asked for
			lengths[i] = len(strings.Fields(n.Text))
			words.Add(int64(lengths[i]))
		})
	}
	all.Wait()
	b.render(w, http.StatusOK, "report.html", map[string]any{"Notices": list, "Lengths": lengths, "Words": words.Load()})
}

// gauge asks another service, which has half a second.
func (b *Board) gauge(w http.ResponseWriter, r *http.Request) {
	if b.options.Gauge == "" {
		http.Error(w, "Nobody measures the water.", http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", b.options.Gauge+"?"+r.URL.RawQuery, nil)
	if err != nil {
		http.Error(w, "The gauge has no address.", http.StatusInternalServerError)
		return
	}
	resp, err := b.options.Client.Do(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		http.Error(w, "The gauge says nothing.", http.StatusGatewayTimeout)
		return
	case err != nil:
		http.Error(w, "The gauge cannot be asked.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(resp.StatusCode)
	fmt.Fprint(w, "The gauge says: ")
	_, _ = io.Copy(w, io.LimitReader(resp.Body, 1<<20))
}

// slow answers after a while, if it is let.
func slow(w http.ResponseWriter, r *http.Request) {
	d, _ := time.ParseDuration(r.URL.Query().Get("for"))
	select {
	case <-time.After(d):
		fmt.Fprintln(w, "Here I am.")
	case <-r.Context().Done():
	}
}

// counter counts requests.
type counter struct{ all, under atomic.Int64 }

func (b *Board) stats(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"requests": b.asked.all.Load(), "under_way": b.asked.under.Load(), "listening": b.events.listening(), "notices": len(b.notices.list()),
	})
}
