package exchange_test

import (
	"fmt"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// A filter's request side is what stands before next, its response side what
// stands behind.
func ExampleFilterFunc() {
	hello := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.SetBytes([]byte("hello, " + r.Header.Get("x-name")))
		return resp, nil
	})
	naming := exchange.FilterFunc(func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
		if err := r.Header.Set("x-name", "ann"); err != nil {
			return nil, err
		}
		resp, err := next.Handle(r)
		if err != nil {
			return nil, err
		}
		resp.Header.Append("x-named", "yes") // a constant: known to be valid
		return resp, nil
	})
	r := exchangetest.NewRequest("GET", "/")
	resp, err := exchange.Chain(hello, naming).Handle(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	if err := r.Stream().Respond(r, resp); err != nil {
		fmt.Println(err)
		return
	}
	got := r.Stream().(*exchangetest.Recorder)
	fmt.Println(got.Status, string(got.Body), got.Header.Get("x-named"))
	// Output: 200 hello, ann yes
}
