// A filter that shows each visitor one of two variants of a site, and always the same.
package main

import (
	"github.com/weirproxy/weir/sdk/weir"
)

func init() { weir.RegisterConfigured(configured) }

func main() {}

func configured(c *weir.Config) (weir.Filter, error) {
	cookie, share := c.String("cookie", "variant"), c.Int("b", 50)
	if share < 0 || share > 100 {
		c.Fail("b", "is no share of visitors in percent, 0 to 100")
	}
	return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		variant, known := r.Cookie(cookie)
		if known = known && (variant == "a" || variant == "b"); !known {
			var err error
			if variant, err = draw(share); err != nil {
				return nil, err
			}
		}
		r.SetPath("/" + variant + r.Path())
		weir.Counter("visits_" + variant).Add(1)
		resp, err := next(r)
		if err != nil {
			return nil, err
		}
		if !known {
			resp.Header.Add("set-cookie", cookie+"="+variant+"; Path=/; Max-Age=2592000; SameSite=Lax")
		}
		resp.Header.Add("vary", "cookie")
		return resp, nil
	}, nil
}

// draw draws a variant for somebody new.
func draw(share int) (string, error) {
	b, err := weir.Random(2)
	if err != nil {
		return "", err
	}
	if (int(b[0])<<8|int(b[1]))%100 < share {
		return "b", nil
	}
	return "a", nil
}
