package dns01

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libdns/libdns"
)

// Provider changes the TXT records of zones. Values of one name live side by side, and
// each goes by itself: a name and its wildcard are proved at the same time, under the
// same name. What is there already is not put in twice, and what is gone already is no
// error. Zones are absolute ("example.com."), names relative to them, as in libdns; a
// record without a text is refused, so that nothing is removed by mistake.
//
// Implementations bound each call in time and are safe for concurrent use.
type Provider interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// ZoneFinder is a Provider that knows which zone a name is in without asking the DNS:
// for machines that see another DNS than the world, or none.
type ZoneFinder interface {
	// FindZone returns the nearest zone above the absolute name that can be changed
	// ("example.com."), or an error that is [ErrNoZone].
	FindZone(ctx context.Context, name string) (string, error)
}

// Publisher is a Provider that can write HTTPS records (RFC 9460), too.
type Publisher interface {
	// Bindings returns the HTTPS records of the name, relative to zone.
	Bindings(ctx context.Context, zone, name string) ([]libdns.ServiceBinding, error)
	// SetBindings has the name hold these HTTPS records and no others. Their own
	// names do not count.
	SetBindings(ctx context.Context, zone, name string, to []libdns.ServiceBinding) error
}

// ErrNoZone is the cause of errors about zones that a provider does not have.
var ErrNoZone = errors.New("there is no such zone in this account")

// backend is what differs between providers. Names are clean; a TXT value is its text,
// an HTTPS value the canonical data.
type backend interface {
	// zone returns the zone of exactly that name, or an error that is ErrNoZone.
	zone(ctx context.Context, name string) (zone, error)
	// values returns what a name holds; nothing is no error.
	values(ctx context.Context, z zone, name, typ string) ([]string, error)
	// change adds first, then removes. What is done already is no error.
	change(ctx context.Context, z zone, c change) error
}

// zone is a zone as an API knows it.
type zone struct {
	id   string        // as the API calls it; may be the name
	name string        // clean
	ttl  time.Duration // the least TTL of its records
}

// change is what shall happen to the values of one name and type.
type change struct {
	name, typ   string
	ttl         time.Duration
	add, remove []string
}

// seconds is the TTL for APIs: not below what the zone and the API allow.
func (c change) seconds(z zone, least time.Duration) int {
	return int(max(c.ttl, z.ttl, least) / time.Second)
}

// provider is a backend in libdns' words.
type provider struct {
	kind string
	back backend
	// turn holds one token: who has it changes. APIs that know whole sets of records
	// only would otherwise lose one of two values that are added at once.
	turn chan struct{}
}

// publisher is a provider whose zones can hold HTTPS records.
type publisher struct{ *provider }

var (
	_ Provider   = (*provider)(nil)
	_ ZoneFinder = (*provider)(nil)
	_ Publisher  = publisher{}
)

func newProvider(k Kind, b backend) *provider {
	return &provider{kind: k.Name, back: b, turn: make(chan struct{}, 1)}
}

// operationTime bounds one call of a provider, waiting for its turn and for a rate
// limit to pass included.
const operationTime = 2 * time.Minute

// AppendRecords puts TXT records in.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	done, err := p.texts(ctx, zone, recs, func(c *change, text string) { c.add = append(c.add, text) })
	if err != nil {
		return done, fmt.Errorf("add record: %w", err)
	}
	return done, nil
}

// DeleteRecords takes TXT records out.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	done, err := p.texts(ctx, zone, recs, func(c *change, text string) { c.remove = append(c.remove, text) })
	if err != nil {
		return done, fmt.Errorf("delete record: %w", err)
	}
	return done, nil
}

// texts makes one change for each name in recs, and returns the records whose change
// was made.
func (p *provider) texts(ctx context.Context, zone string, recs []libdns.Record, into func(*change, string)) ([]libdns.Record, error) {
	changes, in, err := plan(zone, recs, into)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	defer p.give()
	z, err := p.find(ctx, in)
	if err != nil {
		return nil, err
	}
	var done []libdns.Record
	for _, c := range changes {
		if err := p.back.change(ctx, z, c); err != nil {
			return done, err
		}
		for _, text := range slices.Concat(c.add, c.remove) {
			done = append(done, libdns.TXT{Name: relative(c.name, in, "@"), TTL: c.ttl, Text: text})
		}
	}
	return done, nil
}

func plan(zone string, recs []libdns.Record, into func(*change, string)) (changes []change, in string, err error) {
	for _, rec := range recs {
		rr := rec.RR()
		if rr.Type != typeTXT {
			return nil, "", fmt.Errorf("%s %s: only TXT records are possible", rr.Name, rr.Type)
		}
		var name string
		if name, in, err = recordName(rr.Name, zone); err != nil {
			return nil, "", err
		}
		if err := checkText(rr.Data); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		i := slices.IndexFunc(changes, func(c change) bool { return c.name == name })
		if i < 0 {
			i = len(changes)
			changes = append(changes, change{name: name, typ: typeTXT, ttl: rr.TTL})
		}
		into(&changes[i], rr.Data)
	}
	return changes, in, nil
}

// FindZone asks for the zones above name, the longest first.
func (p *provider) FindZone(ctx context.Context, name string) (string, error) {
	clean, err := cleanName(name)
	if err != nil {
		return "", fmt.Errorf("find zone: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	for candidate := range ancestors(clean) {
		z, err := p.back.zone(ctx, candidate)
		if err == nil {
			return z.name + ".", nil
		}
		if !errors.Is(err, ErrNoZone) {
			return "", fmt.Errorf("find zone of %s: %w", clean, err)
		}
	}
	return "", fmt.Errorf("find zone of %s at %s: %w", clean, p.kind, ErrNoZone)
}

func (p *provider) find(ctx context.Context, name string) (zone, error) {
	z, err := p.back.zone(ctx, name)
	if errors.Is(err, ErrNoZone) {
		return z, fmt.Errorf("zone %s at %s: %w", name, p.kind, err)
	}
	return z, err
}

func (p *provider) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for other changes at %s: %w", p.kind, context.Cause(ctx))
	}
}

func (p *provider) give() { <-p.turn }

// Bindings reads HTTPS records.
func (p publisher) Bindings(ctx context.Context, zone, name string) ([]libdns.ServiceBinding, error) {
	name, in, err := recordName(name, zone)
	if err != nil {
		return nil, fmt.Errorf("read HTTPS records: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	z, err := p.find(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("read HTTPS records: %w", err)
	}
	values, err := p.back.values(ctx, z, name, typeHTTPS)
	if err != nil {
		return nil, fmt.Errorf("read HTTPS records: %w", err)
	}
	var all []libdns.ServiceBinding
	for _, v := range values {
		b, err := binding(relative(name, in, "@"), v)
		if err != nil {
			return nil, fmt.Errorf("%s at %s: %w", name, p.kind, err)
		}
		all = append(all, b)
	}
	return all, nil
}

// SetBindings replaces HTTPS records.
func (p publisher) SetBindings(ctx context.Context, zone, name string, to []libdns.ServiceBinding) error {
	name, in, err := recordName(name, zone)
	if err != nil {
		return fmt.Errorf("set HTTPS records: %w", err)
	}
	c := change{name: name, typ: typeHTTPS}
	for _, b := range to {
		value, err := canonical(b.RR().Data)
		if err != nil {
			return fmt.Errorf("set HTTPS records: %w", err)
		}
		c.add, c.ttl = append(c.add, value), max(c.ttl, b.TTL)
	}
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	if err := p.take(ctx); err != nil {
		return fmt.Errorf("set HTTPS records: %w", err)
	}
	defer p.give()
	if err := p.replace(ctx, in, c); err != nil {
		return fmt.Errorf("set HTTPS records of %s: %w", name, err)
	}
	return nil
}

func (p publisher) replace(ctx context.Context, in string, c change) error {
	z, err := p.find(ctx, in)
	if err != nil {
		return err
	}
	old, err := p.back.values(ctx, z, c.name, c.typ)
	if err != nil {
		return err
	}
	for _, v := range old {
		if !slices.Contains(c.add, v) {
			c.remove = append(c.remove, v)
		}
	}
	return p.back.change(ctx, z, c)
}

// apply is what a set of values becomes by a change, and whether that is a difference.
func (c change) apply(old []string) (now []string, differs bool) {
	now = slices.Clone(old)
	for _, v := range c.add {
		if !slices.Contains(now, v) {
			now = append(now, v)
		}
	}
	now = slices.DeleteFunc(now, func(v string) bool { return slices.Contains(c.remove, v) })
	return now, !slices.Equal(now, old)
}
