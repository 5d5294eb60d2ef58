// Command modgo is the module that tests run: handlers that do odd things.
package main

import (
	"github.com/weirproxy/weir/cmd/weir/testdata/modgo/odd"
	"github.com/weirproxy/weir/sdk/weirhttp"
)

func init() { weirhttp.Serve(odd.Handler()) }

func main() {}
