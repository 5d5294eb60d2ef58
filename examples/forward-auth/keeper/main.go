// Keeper decides who may come in: whoever knows a name.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9300", "where to listen")
	flag.Parse()
	http.HandleFunc("/verify", func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "Who are you?", http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-User", name)
	})
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("keeper listens at", l.Addr())
	log.Fatal(http.Serve(l, nil))
}
