// Command {{name}} is a filter for weir.
package main

import "github.com/weirproxy/weir/sdk/weir"

func init() { weir.Register(hello) }

// hello adds a field to what the upstream answers.
func hello(r *weir.Request, next weir.Next) (*weir.Response, error) {
	resp, err := next(r)
	if err == nil {
		resp.Header.Set("x-hello", "from {{name}}")
	}
	return resp, err
}

func main() {}
