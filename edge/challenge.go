package edge

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const (
	challengePrefix = "/.well-known/acme-challenge/" // RFC 8555 §8.3
	challengeToken  = 128                            // bytes at most; authorities send 43
	challengeWait   = 5 * time.Second                // authorities give up after about 10
)

// challengeRoute is what stands for the route in the records of such requests.
const challengeRoute = challengePrefix + "{token}"

// challenged returns the token that a request asks for as an authority does that
// validates by HTTP-01, or "". The path is in its one canonical form, so there is no
// other spelling of it.
func challenged(method, path string) (token string) {
	token, ok := strings.CutPrefix(path, challengePrefix)
	if !ok || token == "" || len(token) > challengeToken || method != http.MethodGet && method != http.MethodHead {
		return ""
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_': // base64url (RFC 8555 §8.1)
		default:
			return ""
		}
	}
	return token
}

// answerChallenge answers an authority, or returns nil: for requests of others, and
// where the token is none that weir's nodes wait to be asked for, since behind weir
// there may be a client of an authority, too.
func (snap *Snapshot) answerChallenge(r *exchange.Request) *exchange.Response {
	if snap.Challenge == nil {
		return nil
	}
	token := challenged(r.Method, r.Path)
	if token == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), challengeWait)
	defer cancel()
	key, ok := snap.Challenge(ctx, r.Host, token)
	if !ok {
		return nil
	}
	r.Record.Route = challengeRoute
	resp := r.NewResponse(http.StatusOK)
	resp.Header.Append("content-type", "text/plain; charset=utf-8")
	resp.Header.Append("cache-control", "no-store")
	resp.Header.Append("x-content-type-options", "nosniff")
	resp.SetBytes([]byte(key))
	return resp
}
