package wasmhost

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/services"
)

// Grants are what a guest may reach.
type Grants struct {
	Env       [][2]string // names and values
	Files     []guest.Mount
	Upstreams []string // names of pools
	URLs      []string // origins: https://api.example.com
	Store     []string // parts of the store beside the plugin's own
	Keys      []services.Key
}

var errNoUpstreams = errors.New("there are no upstreams here")

// upstream returns what finds upstreams by find, where they are granted. Names are
// compared as they are, URLs by their origins: the path of one is the guest's affair.
func (g Grants) upstream(find func(string) (guest.Upstream, error)) func(string) (guest.Upstream, error) {
	urls := make([]string, 0, len(g.URLs))
	for _, u := range g.URLs {
		if origin, ok := originOf(u); ok {
			urls = append(urls, origin)
		}
	}
	return func(target string) (guest.Upstream, error) {
		origin, isURL := originOf(target)
		switch {
		case find == nil:
			return nil, errNoUpstreams
		case slices.Contains(g.Upstreams, target):
			return find(target)
		case isURL && slices.Contains(urls, origin):
			up, err := find(origin)
			if err != nil {
				return nil, err
			}
			return pinned{up}, nil
		case isURL:
			return nil, fmt.Errorf("calls to %s are not granted; add it to the plugin's grants: {urls: [%q]}", origin, origin)
		}
		return nil, fmt.Errorf("calls to upstream %q are not granted; add it to the plugin's grants: {upstreams: [%q]}", target, target)
	}
}

// pinned is the upstream of a URL. Calls are to its host, whatever the guest says: there
// may be others at the same address, which nobody has granted.
type pinned struct{ guest.Upstream }

// Do implements guest.Upstream.
func (p pinned) Do(c *exchange.Call, resp *exchange.Response) error {
	c.Authority, c.Scheme = "", ""
	return p.Upstream.Do(c, resp)
}

// originOf returns the origin of an http or https URL in its one form: lower case, and no
// port where it is the scheme's own.
func originOf(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return "", false
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	default:
		return "", false
	}
	return u.Scheme + "://" + host, true
}
