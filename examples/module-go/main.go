// Command module-go is the notice board as a module: weir answers with it, and no
// program runs behind.
package main

import (
	"github.com/weirproxy/weir/examples/module-go/board"
	"github.com/weirproxy/weir/sdk/weirhttp"
)

func init() { weirhttp.Serve(board.New(board.Options{Gauge: "upstream://gauge/level"})) }

func main() {}
