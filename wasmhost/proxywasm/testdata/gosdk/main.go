// The same with the SDK.
package main

import "github.com/weirproxy/weir/sdk/weir"

func init() {
	weir.Register(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.Header.Add("x-added", "value")
		resp, err := next(r)
		if err == nil {
			resp.Header.Add("x-added", "value")
		}
		return resp, err
	})
}

func main() {}
