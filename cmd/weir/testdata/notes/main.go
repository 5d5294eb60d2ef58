// Command notes is the filter that sdk/TESTING.md shows cases of: it asks who a session is
// of, tells that to what is behind it, and counts what people write.
package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/sdk/weir"
)

func init() { weir.RegisterConfigured(configured) }

type notes struct{ users, header string }

func configured(c *weir.Config) (weir.Filter, error) {
	n := notes{users: c.String("users", ""), header: c.String("header", "x-user")}
	if n.users == "" {
		c.Fail("users", "want the upstream that knows sessions")
	}
	return n.handle, nil
}

func (n notes) handle(r *weir.Request, next weir.Next) (*weir.Response, error) {
	session, _ := r.Cookie("session")
	answer, err := weir.Fetch(n.users, &weir.Call{Path: "/session/" + session})
	switch {
	case err != nil:
		weir.LogWarn("nobody knows who it is: " + err.Error())
		r.Header.Del(n.header)
		return next(r)
	case answer.Status != 200:
		return weir.Reply(401, "please log in\n"), nil
	}
	body, err := answer.Body.ReadAll(1 << 10)
	if err != nil {
		return nil, err
	}
	user := strings.TrimSpace(string(body))
	weir.LogInfo("it is " + user)
	r.Header.Set(n.header, user)
	r.Header.Del("cookie")
	resp, err := next(r)
	if err == nil && resp.Status() == 201 {
		err = count(user)
	}
	return resp, err
}

// count counts what a user has written.
func count(user string) error {
	var store weir.Store
	e, err := store.Get(user)
	if err != nil && !errors.Is(err, weir.ErrNotFound) {
		return err
	}
	n, _ := strconv.Atoi(string(e.Value))
	_, err = store.Put(user, []byte(strconv.Itoa(n+1)), weir.PutOptions{})
	return err
}

func main() {}
