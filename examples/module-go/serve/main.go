// Command serve is the notice board as a program of its own, with net/http's server.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"

	"github.com/weirproxy/weir/examples/module-go/board"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9203", "where to listen")
	gauge := flag.String("gauge", "http://127.0.0.1:9204/level", "who knows how high the water is")
	flag.Parse()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("the board is at ", l.Addr())
	log.Fatal(http.Serve(l, board.New(board.Options{Gauge: *gauge})))
}
