package demand

import (
	"context"
	"net/netip"
)

// TryAsk asks an URL, as [Options.Ask] is asked, about a name that cannot exist (RFC 6761
// §6.4). yes means that it said yes, and so may to everything; err that it could not be
// asked, or did not answer the question.
func TryAsk(ctx context.Context, url string) (yes bool, err error) {
	e, err := parseEndpoint(url)
	if err != nil {
		return false, err
	}
	defer e.pool.CloseIdleConnections()
	switch err := e.askMissing(ctx, netip.Addr{}); {
	case err == nil:
		return true, nil
	case isDenial(err):
		return false, nil
	default:
		return false, err
	}
}
