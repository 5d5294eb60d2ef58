package basicauth

import (
	"crypto/hmac"
	"crypto/sha256"
)

// fingerprint stands for a name and a password, in memory alone: only this instance can
// make it. No name has a colon in it.
func (a *auth) fingerprint(name, password string) string {
	m := hmac.New(sha256.New, a.secret)
	m.Write([]byte(name + ":" + password))
	return string(m.Sum(nil))
}
