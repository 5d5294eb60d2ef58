// Notes keeps short notes in memory, behind an API of a few JSON calls and one
// stream of events. Files, TLS and compression are weir's business.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9200", "address to listen on")
	flag.Parse()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("notes at %s", l.Addr())
	log.Fatal(http.Serve(l, newBoard().routes()))
}

// note is what the API speaks of.
type note struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

// board holds the notes, and who wants to know of changes.
type board struct {
	mu       sync.Mutex
	last     int           // id of the newest note; guarded by mu
	notes    []note        // oldest first; guarded by mu
	watchers chan struct{} // closed and replaced at each change; guarded by mu
}

func newBoard() *board {
	return &board{last: 1, notes: []note{{1, "The water is high today."}}, watchers: make(chan struct{})}
}

func (b *board) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "well") })
	mux.HandleFunc("GET /api/notes", b.list)
	mux.HandleFunc("POST /api/notes", b.add)
	mux.HandleFunc("DELETE /api/notes/{id}", b.remove)
	mux.HandleFunc("GET /api/events", b.events)
	return mux
}

func (b *board) list(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	notes := slices.Clone(b.notes)
	b.mu.Unlock()
	reply(w, http.StatusOK, notes)
}

func (b *board) add(w http.ResponseWriter, r *http.Request) {
	var n note
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&n)
	if n.Text = strings.TrimSpace(n.Text); err != nil || n.Text == "" || len(n.Text) > 500 {
		reply(w, http.StatusBadRequest, map[string]string{"error": "want {\"text\": …} of 1 to 500 bytes"})
		return
	}
	b.mu.Lock()
	b.last++
	n.ID = b.last
	b.notes = append(b.notes, n)
	b.notes = b.notes[max(0, len(b.notes)-100):]
	b.changed()
	b.mu.Unlock()
	w.Header().Set("Location", fmt.Sprintf("/api/notes/%d", n.ID))
	reply(w, http.StatusCreated, n)
}

func (b *board) remove(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id")) // no note has the id 0
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.notes, func(n note) bool { return n.ID == id })
	if i < 0 {
		reply(w, http.StatusNotFound, map[string]string{"error": "no such note"})
		return
	}
	b.notes = slices.Delete(b.notes, i, i+1)
	b.changed()
	w.WriteHeader(http.StatusNoContent)
}

// pause is after how long a stream says that it is still there: whoever stands between
// takes one that says nothing for dead, weir after a minute.
const pause = 30 * time.Second

// events tells the number of notes, now and after each change.
func (b *board) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	for {
		b.mu.Lock()
		count, watchers := len(b.notes), b.watchers
		b.mu.Unlock()
		fmt.Fprintf(w, "data: %d\n\n", count)
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-watchers:
		case <-time.After(pause):
		}
	}
}

// changed tells everybody who watches. It is called with mu held.
func (b *board) changed() {
	close(b.watchers)
	b.watchers = make(chan struct{})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print(err)
	}
}
