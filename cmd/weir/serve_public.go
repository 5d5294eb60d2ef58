package main

import (
	"fmt"
	"io"
	"strings"
)

// publicFlags say how commands without a configuration have certificates of public
// authorities.
type publicFlags struct {
	Email  string `placeholder:"ADDRESS" help:"Where the authority can reach you, should it have to."`
	ACMECA string `name:"acme-ca" placeholder:"URL" help:"The authority: letsencrypt, letsencrypt-staging, or the URL of an ACME directory. Default: letsencrypt."`
}

// acme is what a configuration says of it.
func (f *publicFlags) acme() string {
	var parts []string
	if f.ACMECA != "" {
		parts = append(parts, "ca: "+quote(f.ACMECA))
	}
	if f.Email != "" {
		parts = append(parts, "email: "+quote(f.Email))
	}
	if len(parts) == 0 {
		return ""
	}
	return "acme: {" + strings.Join(parts, ", ") + "}\n"
}

// publicListen is where serve listens for public names: at the ports that browsers and
// authorities expect, or at one of the user's choice, to which somebody leads them.
func (cmd *serveCmd) publicListen(port int) string {
	if port != usualPort {
		return "https: " + quote(cmd.address(port))
	}
	return "http: " + quote(cmd.address(80)) + ", https: " + quote(cmd.address(443))
}

// publicSite is the head of a site of public names.
func (cmd *serveCmd) publicSite() string {
	hosts := make([]string, len(cmd.Domain))
	for i, name := range cmd.Domain {
		hosts[i] = quote(name)
	}
	if len(hosts) == 1 {
		return hosts[0] + ":"
	}
	return "public:\n    hosts: [" + strings.Join(hosts, ", ") + "]"
}

// publicHint says where certificates come from, and what that needs.
func (p *process) publicHint(w io.Writer) {
	if p.world.certs.manager == nil {
		return
	}
	c := p.conf.Load()
	fmt.Fprintf(w, "\n  The certificate comes from %s, which looks for it at port 80 or 443: both have to lead here.\n", caText(&c.ACME[0]))
}
