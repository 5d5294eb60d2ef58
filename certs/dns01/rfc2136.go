package dns01

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

func rfc2136Kind() Kind {
	k := Kind{
		Name: "rfc2136",
		Doc: "Zones on a name server of one's own (BIND, Knot, PowerDNS, NSD behind it), by DNS UPDATE (RFC 2136) signed with " +
			"TSIG (RFC 8945). In BIND: make a key by tsig-keygen, and permit it by \"update-policy { grant KEY name " +
			"_acme-challenge.example.com. TXT; };\" in the zone. weir's clock may be off by five minutes at most.",
		Publishes: true,
		Settings: []Setting{
			{Name: "server", Doc: "address and port of the primary server", Required: true, Example: "192.0.2.1:53"},
			{Name: "key", Doc: "the name of the TSIG key; without one the server has to trust the address", Example: "weir."},
			{Name: "secret", Doc: "the TSIG key's secret in base64", Secret: true, Example: "K2tleQ=="},
			{
				Name: "algorithm", Doc: "of the TSIG key", Default: "hmac-sha256",
				Choices: []string{"hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1"},
			},
			{Name: "transport", Doc: "how to reach the server", Default: "tcp", Choices: []string{"tcp", "udp"}},
		},
	}
	k.open = func(s settings) (Provider, error) {
		server, err := serverAddress(s.get("server"), "53")
		if err != nil {
			return nil, s.wrong("server", err.Error())
		}
		b := &rfc2136{server: server, client: &dns.Client{
			Net: s.get("transport"), DialTimeout: dnsTime, ReadTimeout: dnsTime, WriteTimeout: dnsTime,
		}}
		if err := b.useKey(s); err != nil {
			return nil, err
		}
		return publisher{newProvider(k, b)}, nil
	}
	return k
}

// rfc2136 is a name server that takes updates. What it says counts only with its
// signature, if there is a key.
type rfc2136 struct {
	server         string
	client         *dns.Client
	key, algorithm string // "" for no signatures
}

func (a *rfc2136) useKey(s settings) error {
	key, secret := s.get("key"), s.get("secret")
	switch {
	case key == "" && secret == "":
		return nil
	case key == "":
		return s.wrong("key", "is missing, though there is a secret")
	case secret == "":
		return s.wrong("secret", "is missing, though there is a key")
	}
	name, err := cleanName(key)
	if err != nil {
		return s.wrong("key", err.Error())
	}
	if _, err := base64.StdEncoding.DecodeString(secret); err != nil {
		return s.wrong("secret", "is not in base64")
	}
	a.key, a.algorithm = name+".", s.get("algorithm")+"."
	a.client.TsigSecret = map[string]string{a.key: secret}
	return nil
}

// serverAddress adds the port to an address if there is none.
func serverAddress(s, port string) (string, error) {
	if s == "" || strings.ContainsAny(s, " /") {
		return "", fmt.Errorf("%q is no address", s)
	}
	if ip := net.ParseIP(strings.Trim(s, "[]")); ip != nil {
		return net.JoinHostPort(ip.String(), port), nil
	}
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		if strings.Contains(s, ":") {
			return "", fmt.Errorf("%q is neither an address nor address:port", s)
		}
		return net.JoinHostPort(s, port), nil
	}
	if _, err := net.LookupPort("udp", p); err != nil || host == "" {
		return "", fmt.Errorf("%q is neither an address nor address:port", s)
	}
	return net.JoinHostPort(host, p), nil
}

// exchange signs and sends a message and checks the answer.
func (a *rfc2136) exchange(ctx context.Context, op string, m *dns.Msg) (*dns.Msg, error) {
	if a.key != "" {
		m.SetTsig(a.key, a.algorithm, 300, time.Now().Unix())
	}
	r, _, err := a.client.ExchangeContext(ctx, m, a.server)
	// An answer whose signature says why there is none comes with an error, too.
	if r != nil {
		if t := r.IsTsig(); t != nil && t.Error != dns.RcodeSuccess {
			return nil, fmt.Errorf("%s at %s: the server refuses the key %s: %s%s", op, a.server, a.key, rcode(int(t.Error)), tsigHint(t.Error))
		}
	}
	switch {
	case errors.Is(err, dns.ErrSecret), errors.Is(err, dns.ErrSig), errors.Is(err, dns.ErrAuth), errors.Is(err, dns.ErrTime):
		return nil, fmt.Errorf("%s at %s: the answer's signature is not good: %w", op, a.server, err)
	case err != nil:
		return nil, fmt.Errorf("%s at %s: %w", op, a.server, err)
	case a.key != "" && r.Rcode == dns.RcodeSuccess && r.IsTsig() == nil:
		return nil, fmt.Errorf("%s at %s: the answer is not signed", op, a.server)
	}
	return r, nil
}

func tsigHint(e uint16) string {
	switch e {
	case dns.RcodeBadKey:
		return " (it does not know the key, or not with this algorithm)"
	case dns.RcodeBadSig:
		return " (the secret is another one)"
	case dns.RcodeBadTime:
		return " (one of the clocks is wrong)"
	}
	return ""
}

func (a *rfc2136) zone(ctx context.Context, name string) (zone, error) {
	m := new(dns.Msg).SetQuestion(name+".", dns.TypeSOA)
	m.RecursionDesired = false
	r, err := a.exchange(ctx, "find zone", m)
	if err != nil {
		return zone{}, err
	}
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == dns.TypeSOA && strings.EqualFold(rr.Header().Name, name+".") && r.Authoritative {
			return zone{id: name, name: name}, nil
		}
	}
	switch r.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeRefused: // the last is for names that are not its
		return zone{}, fmt.Errorf("%s has no SOA for it (%s): %w", a.server, rcode(r.Rcode), ErrNoZone)
	}
	return zone{}, fmt.Errorf("find zone %s at %s: %s", name, a.server, rcode(r.Rcode))
}

func (a *rfc2136) values(ctx context.Context, _ zone, name, typ string) ([]string, error) {
	m := new(dns.Msg).SetQuestion(name+".", dns.StringToType[typ])
	m.RecursionDesired = false
	r, err := a.exchange(ctx, "read records", m)
	if err != nil {
		return nil, err
	}
	if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("read records at %s: %s", a.server, rcode(r.Rcode))
	}
	var all []string
	for _, rr := range r.Answer {
		if !strings.EqualFold(rr.Header().Name, name+".") {
			continue
		}
		switch rr := rr.(type) {
		case *dns.TXT:
			all = append(all, textOf(rr))
		case *dns.HTTPS:
			all = append(all, svcbData(&rr.SVCB))
		}
	}
	return all, nil
}

// change sends one message: the server applies all of it or nothing (RFC 2136 section
// 3.4), and nobody else's values are in it.
func (a *rfc2136) change(ctx context.Context, z zone, c change) error {
	m := new(dns.Msg).SetUpdate(z.name + ".")
	add, err := resourceRecords(c, z, c.add)
	if err != nil {
		return err
	}
	remove, err := resourceRecords(c, z, c.remove)
	if err != nil {
		return err
	}
	m.Insert(add)
	m.Remove(remove)
	r, err := a.exchange(ctx, "update zone", m)
	if err != nil {
		return err
	}
	if r.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("update zone %s at %s: %s%s", z.name, a.server, rcode(r.Rcode), updateHint(r.Rcode))
	}
	return nil
}

func updateHint(code int) string {
	switch code {
	case dns.RcodeRefused:
		return " (the key may not change this name, or the address not without one)"
	case dns.RcodeNotAuth, dns.RcodeNotZone:
		return " (the server is not primary for that zone)"
	}
	return ""
}

func resourceRecords(c change, z zone, values []string) ([]dns.RR, error) {
	var all []dns.RR
	for _, v := range values {
		head := dns.RR_Header{Name: c.name + ".", Class: dns.ClassINET, Ttl: uint32(c.seconds(z, 0)), Rrtype: dns.StringToType[c.typ]}
		if c.typ == typeTXT {
			all = append(all, &dns.TXT{Hdr: head, Txt: []string{escape(v)}})
			continue
		}
		rr, err := dns.NewRR(fmt.Sprintf(". 0 IN %s %s", c.typ, v))
		if err != nil {
			return nil, fmt.Errorf("write record: %w", err)
		}
		*rr.Header() = head
		all = append(all, rr)
	}
	return all, nil
}

// rcode names a code as tools do.
func rcode(code int) string {
	if s, ok := dns.RcodeToString[code]; ok {
		return s
	}
	return fmt.Sprintf("code %d", code)
}
