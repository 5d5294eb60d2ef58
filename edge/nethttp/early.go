package nethttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"strconv"

	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
)

// errTooEarly asks the client to come again when its handshake is finished. What comes
// before may have been recorded and sent by anybody, as often as they like (RFC 8470).
var errTooEarly = exchange.Reason(http.StatusTooEarly, "only what changes nothing is taken before the handshake is finished")

// earlyField is how a request's handlers and upstreams are told (RFC 8470 §5.1).
const earlyField = "early-data"

// TLS makes of a configuration for TCP the one that Listen takes. Session-ticket keys
// are to be set on what it returns, which is used as it is. What its
// GetConfigForClient returns needs no more for HTTP/3 than for TCP.
//
// quic-go's own http3.ConfigureTLSConfig has keys made for every copy, under locks, and
// leaves it open which copy it is whose keys count.
func (h *H3) TLS(conf *tls.Config) *tls.Config {
	root := over3(conf)
	sites := root.GetConfigForClient
	if sites == nil {
		if h.o.Allow0RTT {
			h.bindEarly(root, root)
		}
		return root
	}
	root.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		conf, err := sites(hello)
		if conf == nil || err != nil {
			return conf, err
		}
		site := over3(conf)
		switch {
		case !h.o.Allow0RTT:
		case h.hooks.Early == nil || h.hooks.Early(hello.Context()):
			h.bindEarly(site, root)
		default: // a client could not tell a session without early data
			site.SessionTicketsDisabled = true
		}
		return site, nil
	}
	return root
}

func over3(conf *tls.Config) *tls.Config {
	c := conf.Clone()
	c.NextProtos = []string{http3.NextProtoH3}
	return c
}

// bindEarly has sessions remember the limits that this server has for a client that
// does not wait for its SETTINGS; early data of a session with other ones, from another
// server or before a restart, is not taken (RFC 9114 §7.2.4.2). The keys are those of
// root.
func (h *H3) bindEarly(site, root *tls.Config) {
	limits := strconv.AppendInt([]byte("weir h3 1 "), int64(h.o.HeaderBytes), 10)
	site.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		session.Extra = append(session.Extra, limits)
		return root.EncryptTicket(state, session)
	}
	site.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		session, err := root.DecryptTicket(ticket, state)
		if session == nil || err != nil || !session.EarlyData {
			return session, err
		}
		session.EarlyData = slices.ContainsFunc(session.Extra, func(extra []byte) bool { return bytes.Equal(extra, limits) })
		return session, nil
	}
}

// earlyKey is the context key of what is closed when a handshake is finished, on
// connections that had early data.
type earlyKey struct{}

// early tells whether the client's handshake is still unfinished. As soon as it is not,
// what came before is the client's own as well: who replays it cannot finish one.
func (st *stream) early() bool {
	if !st.server.Allow0RTT || st.server.proto != exchange.HTTP3 {
		return false
	}
	finished, ok := st.r.Context().Value(earlyKey{}).(<-chan struct{})
	if !ok {
		return false
	}
	select {
	case <-finished:
		return false
	default:
		return true
	}
}

// admitEarly marks a request that came early, or refuses it.
func (st *stream) admitEarly() error {
	q := &st.req
	if !st.early() {
		return nil
	}
	safe := q.Method == http.MethodGet || q.Method == http.MethodHead || q.Method == http.MethodOptions
	if !safe || q.Upgrade != "" || q.Body.Len() != 0 {
		return errTooEarly
	}
	q.Early = true
	return q.Header.Set(earlyField, "1")
}

// withEarly leaves in ctx when the connection's handshake is finished.
func withEarly(ctx context.Context, finished <-chan struct{}) context.Context {
	return context.WithValue(ctx, earlyKey{}, finished)
}
