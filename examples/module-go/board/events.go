package board

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// event is what has happened to a notice.
type event struct {
	kind   string
	notice Notice
}

// broker tells everybody who listens.
type broker struct {
	mu        sync.Mutex
	listeners map[chan event]bool
}

func (b *broker) listen() chan event {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[chan event]bool{}
	}
	c := make(chan event, 16)
	b.listeners[c] = true
	return c
}

func (b *broker) leave(c chan event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, c)
}

// publish waits for nobody: who is far behind misses something.
func (b *broker) publish(e event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.listeners {
		select {
		case c <- e:
		default:
		}
	}
}

func (b *broker) listening() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.listeners)
}

// stream tells a client of what happens, until it leaves. A beat says that we are there.
func (b *Board) stream(w http.ResponseWriter, r *http.Request) {
	every, err := time.ParseDuration(r.URL.Query().Get("beat"))
	if err != nil || every <= 0 {
		every = 15 * time.Second
	}
	events := b.events.listen()
	defer b.events.leave(events)
	beat := time.NewTicker(every)
	defer beat.Stop()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, "event: welcome\ndata: {}\n\n")
	for {
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case e := <-events:
			text, _ := json.Marshal(e.notice)
			fmt.Fprintf(w, "id: %d.%d\nevent: %s\ndata: %s\n\n", e.notice.ID, e.notice.Version, e.kind, text)
		case <-beat.C:
			fmt.Fprint(w, ": here\n\n")
		case <-r.Context().Done():
			return
		}
	}
}
