// Command module is the one WebAssembly module of all bundled filters.
package main

import (
	"github.com/weirproxy/weir/filters/basicauth"
	"github.com/weirproxy/weir/filters/cors"
	"github.com/weirproxy/weir/filters/echo"
	"github.com/weirproxy/weir/filters/headers"
	"github.com/weirproxy/weir/sdk/weir"
)

func init() {
	weir.RegisterNamed("basic-auth", basicauth.New)
	weir.RegisterNamed("cors", cors.New)
	weir.RegisterNamed("echo", echo.New)
	weir.RegisterNamed("headers", headers.New)
}

func main() {}
