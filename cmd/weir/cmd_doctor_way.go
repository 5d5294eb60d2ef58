package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/cmd/weir/config"
)

// wayExams try the way that an authority comes, to each address of each name.
func (d *doctor) wayExams() (all []exam) {
	for _, t := range d.targets {
		addrs := d.addressesOf(t)
		for _, addr := range addrs[:min(len(addrs), 8)] {
			if t.by(issuer.HTTP01) {
				all = append(all, exam{issuer.HTTP01, t.name, t.site, func(ctx context.Context) []finding {
					return d.tryPorts(ctx, addr, d.cmd.HTTPPort, d.c.Listen.HTTP, func(at netip.AddrPort) finding { return d.tryHTTP(ctx, t, at) })
				}})
			}
			if t.by(issuer.TLSALPN01) {
				all = append(all, exam{issuer.TLSALPN01, t.name, t.site, func(ctx context.Context) []finding {
					return d.tryPorts(ctx, addr, d.cmd.HTTPSPort, d.c.Listen.HTTPS, func(at netip.AddrPort) finding { return d.tryALPN(ctx, t, at) })
				}})
			}
		}
	}
	return all
}

// tryPorts tries the port that authorities come to. Where that does not lead to weir, and
// weir listens to another one, it says what is behind that.
func (d *doctor) tryPorts(ctx context.Context, addr netip.Addr, port int, own []config.Listener, try func(netip.AddrPort) finding) []finding {
	f := try(netip.AddrPortFrom(addr, uint16(port)))
	if f.Level == fine || ctx.Err() != nil {
		return []finding{f}
	}
	if slices.Contains(portsOf(own), port) {
		return []finding{f}
	}
	for _, p := range portsOf(own) {
		if there := try(netip.AddrPortFrom(addr, uint16(p))); there.Level == fine {
			f.Found += fmt.Sprintf("; weir answers on port %d", p)
			f.Hint = fmt.Sprintf("authorities come to port %d: have it lead to port %d", port, p)
			break
		}
	}
	return []finding{f}
}

// probe publishes what the running weir is to answer with; nil with a finding where that
// cannot be.
func (d *doctor) probe(ctx context.Context, kind string, t *target) (*issuer.Probe, *finding) {
	name := t.name
	if addr, ok := t.address(); ok {
		name = addr.String()
	}
	var p *issuer.Probe
	o := d.opened.Load()
	err := o.err
	if err == nil {
		err = o.shelf.missing()
	}
	if err == nil {
		p, err = issuer.NewProbe(ctx, o.shelf.certs, kind, name)
	}
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, fs.ErrExist):
		return nil, &finding{Level: fine, Found: "an authority is asking just now"}
	}
	return nil, &finding{Level: warning, Found: "it cannot be told who answers: " + err.Error(), Hint: "see to the store first"}
}

// validator asks as an authority does: of a redirect's target it does not look at the
// certificate. But it follows nobody away from the name and its address.
func (d *doctor) validator(t *target, at netip.AddrPort) *http.Client {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		switch port {
		case "80":
			port = strconv.Itoa(int(at.Port()))
		case "443":
			port = strconv.Itoa(d.cmd.HTTPSPort)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(at.Addr().String(), port))
	}
	return &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10, DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 5 || !strings.EqualFold(r.URL.Hostname(), strings.Trim(hostIn(t), "[]")) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// tryHTTP asks as for http-01 (RFC 8555 §8.3).
func (d *doctor) tryHTTP(ctx context.Context, t *target, at netip.AddrPort) finding {
	p, instead := d.probe(ctx, issuer.HTTP01, t)
	token := "weir-doctor-" + rand.Text()
	if p != nil {
		defer p.End(context.WithoutCancel(ctx)) //nolint:errcheck // it goes away by itself
		token = p.Token
	}
	client := d.validator(t, at)
	defer client.CloseIdleConnections()
	u := url.URL{Scheme: "http", Host: hostIn(t), Path: "/.well-known/acme-challenge/" + token}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return finding{Level: wrong, Found: err.Error()}
	}
	resp, err := client.Do(req)
	if err != nil {
		return d.noWay(ctx, at, err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if p == nil && instead != nil {
		return *instead
	}
	return d.judgeAnswer(at, resp, strings.TrimSpace(string(body)) == p.KeyAuth)
}

// hostIn is a target's name as URLs have it.
func hostIn(t *target) string {
	if addr, ok := t.address(); ok && addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return t.name
}

// judgeAnswer says who has answered.
func (d *doctor) judgeAnswer(at netip.AddrPort, resp *http.Response, ours bool) finding {
	who := cmp.Or(cutText(resp.Header.Get("Server"), 40), "it does not say what it is")
	switch {
	case ours:
		return finding{Level: fine, Found: "weir answers at " + at.String()}
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.Header.Get("Location") != "":
		return finding{
			Level: warning, Found: fmt.Sprintf("%s redirects to %s (%s)", at, cutText(resp.Header.Get("Location"), 100), who),
			Hint: "authorities follow it: it has to end at weir; better have it leave /.well-known/acme-challenge/ alone",
		}
	}
	f := finding{
		Level: wrong, Found: fmt.Sprintf("another server answers at %s: HTTP %d (%s)", at, resp.StatusCode, who),
		Hint: "have the name, or that port, lead to weir; a proxy before weir has to pass /.well-known/acme-challenge/ on",
	}
	if d.running.Load() {
		f.Hint += "; if it is weir that answers, it has another store than this configuration"
	}
	return f
}

func cutText(s string, n int) string { return cut(oneLine(s), n) }

// noWay says why nobody answered.
func (d *doctor) noWay(ctx context.Context, at netip.AddrPort, err error) finding {
	own := d.own[at.Addr()] || at.Addr().IsLoopback()
	f := finding{Level: wrong, Found: at.String() + ": " + cutText(err.Error(), 200)}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Found = "connection refused at " + at.String()
		f.Hint = "nobody listens there: start weir, and have port " + strconv.Itoa(int(at.Port())) + " lead to it"
		if own && d.running.Load() {
			f.Hint = "weir runs, but not on this port and address: see listen:"
		}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		f.Level, f.Found = warning, "there is no way to "+at.String()+" from here"
		f.Hint = "if this machine has no IPv6, but the name an AAAA record: take that out"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		f.Found, f.Hint = "no answer in time at "+at.String(), "a firewall may drop what comes in: open the port to everybody"
		if !own {
			f.Level = warning
			f.Hint += "; behind NAT the way may be open from outside all the same: try from there"
		}
	}
	return f
}
