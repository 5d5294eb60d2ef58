package dns01

import "time"

// Impatient has p give up on an answer after d, and pause for milliseconds only before it
// asks for something again.
func Impatient(p Provider, d time.Duration) {
	c := clientOf(p)
	if c == nil {
		return
	}
	c.http.Timeout, c.pace = d, 2*time.Millisecond
}

func clientOf(p Provider) *client {
	var b backend
	switch p := p.(type) {
	case publisher:
		b = p.back
	case *provider:
		b = p.back
	case *acmeDNS:
		return p.client
	}
	switch b := b.(type) {
	case *cloudflare:
		return b.client
	case *desec:
		return b.client
	case *digitalOcean:
		return b.client
	case *hetznerClassic:
		return b.client
	case *hetznerCloud:
		return b.client
	case *route53:
		return b.client
	}
	return nil
}

// AskAt has s find the name server of each address where at says.
func AskAt(s *Solver, at func(string) string) { s.at = at }

// ResolvConf has s read the file instead of /etc/resolv.conf.
func ResolvConf(s *Solver, path string) { s.conf = path }
