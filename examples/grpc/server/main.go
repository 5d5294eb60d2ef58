// Server tells the levels of three gauges, over HTTP/2 without TLS: that is weir's
// business.
package main

import (
	"flag"
	"log"
	"net"
	"time"

	"example.com/gauge/gauge"
	"google.golang.org/grpc"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9201", "address to listen on")
	flag.Parse()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	gauge.RegisterGaugeServer(server, &gauge.Station{Pace: 200 * time.Millisecond})
	log.Printf("gauges at %s", l.Addr())
	log.Fatal(server.Serve(l))
}
