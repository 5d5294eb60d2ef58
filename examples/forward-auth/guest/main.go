// A filter that has another service decide who may come in.
package main

import (
	"strings"
	"time"

	"github.com/weirproxy/weir/sdk/weir"
)

func init() { weir.RegisterConfigured(configured) }

func main() {}

// configured reads what to ask, and what of the answer the application gets to know.
func configured(c *weir.Config) (weir.Filter, error) {
	service, path := c.String("service", "auth"), c.String("path", "/verify")
	tell := c.Tokens("tell")
	timeout := c.Duration("timeout", 2*time.Second)
	return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		call := &weir.Call{Path: path, Timeout: timeout, Header: []weir.Field{
			{Name: "x-forwarded-method", Value: r.Method()},
			{Name: "x-forwarded-host", Value: r.Authority()},
			{Name: "x-forwarded-uri", Value: r.Path()},
		}}
		for _, name := range []string{"authorization", "cookie"} {
			if all := r.Header.Values(name); len(all) > 0 { // HTTP/2 may have a field for each cookie
				call.Header = append(call.Header, weir.Field{Name: name, Value: strings.Join(all, "; ")})
			}
		}
		answer, err := weir.Fetch(service, call)
		if err != nil {
			weir.LogWarn("nobody decides: " + err.Error())
			return weir.Reply(503, "Try again in a moment.\n", weir.Field{Name: "retry-after", Value: "5"}), nil
		}
		if answer.Status/100 != 2 {
			return refuse(answer)
		}
		for _, name := range tell {
			r.Header.Del(name) // what a client claims to be
			if v, ok := answer.Header.Lookup(name); ok {
				r.Header.Set(name, v)
			}
		}
		answer.Close()
		return next(r)
	}, nil
}

// refuse hands the service's answer on: a page, or a redirection to where to log in.
func refuse(answer *weir.Answer) (*weir.Response, error) {
	body, err := answer.Body.ReadAll(64 << 10)
	if err != nil {
		return nil, err
	}
	resp := weir.Reply(answer.Status, string(body))
	for _, name := range []string{"content-type", "location", "set-cookie", "www-authenticate"} {
		for _, v := range answer.Header.Values(name) {
			resp.Header.Add(name, v)
		}
	}
	return resp, nil
}
