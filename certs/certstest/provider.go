package certstest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// Provider is a DNS provider over a [DNS], as those that sites hire: it keeps
// several values of a name apart.
type Provider struct {
	dns *DNS

	mu    sync.Mutex
	fail  error
	calls int
}

var (
	_ libdns.RecordAppender = (*Provider)(nil)
	_ libdns.RecordDeleter  = (*Provider)(nil)
	_ libdns.RecordSetter   = (*Provider)(nil)
	_ libdns.RecordGetter   = (*Provider)(nil)
)

// Provider returns a new provider.
func (d *DNS) Provider() *Provider { return &Provider{dns: d} }

// Fail has every call return err; nil ends that.
func (p *Provider) Fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

// Calls counts the calls.
func (p *Provider) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// AppendRecords implements [libdns.RecordAppender].
func (p *Provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.each(ctx, zone, recs, p.dns.add)
}

// DeleteRecords implements [libdns.RecordDeleter].
func (p *Provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.each(ctx, zone, recs, p.dns.remove)
}

// SetRecords implements [libdns.RecordSetter].
func (p *Provider) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	cleared := map[question]bool{}
	return p.each(ctx, zone, recs, func(rr dns.RR) {
		if q := (question{rr.Header().Name, typeOf(rr)}); !cleared[q] {
			cleared[q] = true
			var keep []dns.RR
			for _, o := range p.dns.rrs[q.name] {
				if typeOf(o) != q.kind {
					keep = append(keep, o)
				}
			}
			p.dns.rrs[q.name] = keep
		}
		p.dns.add(rr)
	})
}

// GetRecords implements [libdns.RecordGetter].
func (p *Provider) GetRecords(ctx context.Context, zone string) (recs []libdns.Record, err error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	p.dns.mu.RLock()
	defer p.dns.mu.RUnlock()
	for name, rrs := range p.dns.rrs {
		if !dns.IsSubDomain(fqdn(zone), name) {
			continue
		}
		for _, rr := range rrs {
			kind := dns.TypeToString[typeOf(rr)]
			data := strings.TrimPrefix(rr.String(), rr.Header().String())
			if txt, ok := rr.(*dns.TXT); ok {
				data = strings.Join(txt.Txt, "")
			}
			recs = append(recs, libdns.RR{Name: libdns.RelativeName(name, fqdn(zone)), Type: kind, Data: data})
		}
	}
	return recs, nil
}

func (p *Provider) begin(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.fail != nil {
		return p.fail
	}
	return ctx.Err()
}

func (p *Provider) each(ctx context.Context, zone string, recs []libdns.Record, do func(dns.RR)) ([]libdns.Record, error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	var rrs []dns.RR
	for _, rec := range recs {
		r := rec.RR()
		name := fqdn(libdns.AbsoluteName(r.Name, fqdn(zone)))
		ttl := uint32(r.TTL.Seconds())
		if r.Type == "TXT" {
			rrs = append(rrs, newTXT(name, r.Data, ttl))
			continue
		}
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", name, ttl, r.Type, r.Data))
		if err != nil {
			return nil, fmt.Errorf("change records of %s: %w", zone, err)
		}
		rrs = append(rrs, rr)
	}
	p.dns.change(func() {
		for _, rr := range rrs {
			do(rr)
		}
	})
	return recs, nil
}
