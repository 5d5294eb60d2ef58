// Package basicauth is the bundled filter that asks for a name and a password (RFC 7617).
package basicauth

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/weirproxy/weir/sdk/weir"
)

// New reads
//
//	users: {ada: "$argon2id$v=19$…"}   # hashes, of `weir hash`; bcrypt's too
//	realm: weir
//	forward: x-user                     # the field that tells the application who it is; "": none
//	keep: false                         # does the application get the password as well
//	remember: 5m                        # how long a password that was right is not hashed again
//
// Hashing is done by the host, beside the requests. What was right is remembered by a
// fingerprint that only this instance can make.
func New(c *weir.Config) (weir.Filter, error) {
	a := &auth{
		realm: c.String("realm", "weir"), forward: c.String("forward", "x-user"),
		keep: c.Bool("keep", false), remember: c.Duration("remember", 5*time.Minute),
		users: map[string]string{}, known: map[string]time.Time{},
	}
	users := c.Object("users")
	for _, name := range users.Keys() {
		hash := users.String(name, "")
		switch {
		case !sendable(name):
			users.Fail(name, "is no name that could be sent: it is empty, or has a colon or a control character in it")
		case len(hash) < 20 || hash[0] != '$':
			users.Fail(name, "is no hash of a password, which begins with $argon2id$ or $2; make one with weir hash")
		}
		a.users[name] = hash
		if a.decoy == "" {
			a.decoy = hash
		}
	}
	if a.forward != "" {
		c.Tokens("forward")
	}
	if len(a.users) == 0 {
		c.Fail("users", "is missing: nobody could come in")
	}
	for i := range len(a.realm) {
		if a.realm[i] < ' ' || a.realm[i] == '"' || a.realm[i] == '\\' || a.realm[i] > '~' {
			c.Fail("realm", "has characters that cannot be sent")
			break
		}
	}
	secret, err := weir.Random(32)
	if err != nil {
		return nil, err
	}
	a.secret = secret
	return a.filter, nil
}

type auth struct {
	realm, forward string
	keep           bool
	remember       time.Duration
	users          map[string]string
	decoy          string // a hash that passwords of unknown names are compared with: the time it takes tells nobody who is known
	secret         []byte
	known          map[string]time.Time // fingerprints of what was right, and until when that counts
}

// mostKnown bounds what is remembered.
const mostKnown = 10_000

func (a *auth) filter(r *weir.Request, next weir.Next) (*weir.Response, error) {
	name, password, ok := credentials(r.Header.Values("authorization"))
	if !ok {
		return a.ask(), nil
	}
	right, err := a.check(name, password)
	if err != nil {
		return nil, err
	}
	if !right {
		weir.Counter("basic_auth_failures").Add(1)
		return a.ask(), nil
	}
	if !a.keep {
		r.Header.Del("authorization")
	}
	if a.forward != "" {
		a.tell(r.Header, name)
	}
	return next(r)
}

// tell tells the application who it is. What the client has said of that goes, in
// spellings that CGI and its heirs do not tell apart, too: X_User is HTTP_X_USER as well.
func (a *auth) tell(h weir.Header, name string) {
	var others []string
	for field := range h.All() {
		if strings.EqualFold(strings.ReplaceAll(field, "_", "-"), strings.ReplaceAll(a.forward, "_", "-")) {
			others = append(others, field)
		}
	}
	for _, field := range others {
		h.Del(field)
	}
	h.Set(a.forward, name)
}

// check tells whether the password is that of the name.
func (a *auth) check(name, password string) (bool, error) {
	print := a.fingerprint(name, password)
	if until, ok := a.known[print]; ok && weir.Now().Before(until) {
		return true, nil
	}
	hash, known := a.users[name]
	if !known {
		hash = a.decoy
	}
	right, _, err := weir.VerifyPassword(hash, password)
	if err != nil || !right || !known {
		return false, err
	}
	if a.remember > 0 {
		if len(a.known) >= mostKnown {
			clear(a.known)
		}
		a.known[print] = weir.Now().Add(a.remember)
	}
	return true, nil
}

func (a *auth) ask() *weir.Response {
	resp := weir.Reply(401, "401 Unauthorized\n", weir.Field{Name: "www-authenticate", Value: `Basic realm="` + a.realm + `", charset="UTF-8"`})
	resp.Details = "basic_auth"
	return resp
}

// credentials reads what a client sends. Of two fields, each could be the one that
// somebody else goes by: that is none.
func credentials(fields []string) (name, password string, ok bool) {
	if len(fields) != 1 || len(fields[0]) < 7 || len(fields[0]) > 8<<10 {
		return "", "", false
	}
	scheme, rest := fields[0][:6], fields[0][6:]
	for i, c := range []byte("basic ") {
		if scheme[i]|0x20 != c && scheme[i] != c {
			return "", "", false
		}
	}
	for rest != "" && rest[0] == ' ' {
		rest = rest[1:]
	}
	plain, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return "", "", false
	}
	at := index(string(plain), ':')
	if at < 0 {
		return "", "", false
	}
	return string(plain[:at]), string(plain[at+1:]), true
}

// sendable tells whether a client could send a name, and it could be handed on.
func sendable(name string) bool {
	for i := range len(name) {
		if name[i] < ' ' || name[i] == ':' || name[i] == 0x7f {
			return false
		}
	}
	return name != ""
}

func index(s string, c byte) int {
	for i := range len(s) {
		if s[i] == c {
			return i
		}
	}
	return -1
}
