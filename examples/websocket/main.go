// Chat hands on each message to everybody who is there, over WebSocket.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9202", "address to listen on")
	flag.Parse()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("chat at %s", l.Addr())
	log.Fatal(http.Serve(l, &room{guests: map[*guest]bool{}}))
}

// room is who is there.
type room struct {
	mu     sync.Mutex
	guests map[*guest]bool // guarded by mu
}

// guest is one connection. Who reads too slowly for the queue has to leave.
type guest struct {
	messages chan []byte
	leave    context.CancelFunc
}

// ServeHTTP lets a guest in. Accept refuses pages of other sites by their Origin.
func (r *room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	conn, err := websocket.Accept(w, req, nil)
	if err != nil {
		log.Print(err) // Accept has answered
		return
	}
	defer conn.CloseNow()
	ctx, leave := context.WithCancel(req.Context())
	defer leave()
	g := &guest{messages: make(chan []byte, 64), leave: leave}
	r.enter(g)
	defer r.exit(g)
	go func() {
		defer leave()
		for {
			kind, message, err := conn.Read(ctx)
			if err != nil || kind != websocket.MessageText {
				return
			}
			r.say(message)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			conn.Close(websocket.StatusNormalClosure, "")
			return
		case message := <-g.messages:
			if err := conn.Write(ctx, websocket.MessageText, message); err != nil {
				return
			}
		}
	}
}

func (r *room) enter(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guests[g] = true
}

func (r *room) exit(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.guests, g)
}

func (r *room) say(message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for g := range r.guests {
		select {
		case g.messages <- message:
		default:
			g.leave()
		}
	}
}
