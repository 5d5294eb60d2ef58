package dns01

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
)

func acmeDNSKind() Kind {
	k := Kind{
		Name: "acme-dns",
		Doc: "An acme-dns server, to which _acme-challenge is delegated: register once by POST to its /register, keep what " +
			"it answers, and have _acme-challenge.example.com be a CNAME to the fulldomain in it. Any number of names can lead " +
			"to one account, but it proves two of them at a time; others wait.",
		Settings: []Setting{
			{Name: "server", Doc: "where acme-dns is, as a URL", Required: true, Example: "https://auth.example.org"},
			{Name: "username", Doc: "as it was registered", Required: true, Example: "c36f50e8-4632-44f0-83fe-e070fef28a10"},
			{Name: "password", Doc: "as it was registered", Required: true, Secret: true},
			{Name: "subdomain", Doc: "as it was registered: the first label of fulldomain", Required: true, Example: "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"},
		},
	}
	k.open = func(s settings) (Provider, error) {
		base, err := endpoint(s, "server", "")
		if err != nil {
			return nil, err
		}
		user, password, subdomain := s.get("username"), s.get("password"), strings.ToLower(s.get("subdomain"))
		if checkName(subdomain) != nil || strings.Contains(subdomain, ".") {
			return nil, s.wrong("subdomain", "is not one label; it is the part of fulldomain before the first dot")
		}
		c := newClient(k.Name, base, password)
		c.sign = func(r *http.Request, _ []byte) {
			r.Header.Set("X-Api-User", user)
			r.Header.Set("X-Api-Key", password)
		}
		c.message = acmeDNSMessage
		return &acmeDNS{client: c, subdomain: subdomain, places: make(chan struct{}, 2), held: make(map[string]bool)}, nil
	}
	return k
}

// acmeDNS has one name with two values: a new one replaces the older of the two. A third
// therefore waits until one of them is taken out.
type acmeDNS struct {
	*client
	subdomain string
	places    chan struct{} // a token for each value in use

	mu   sync.Mutex
	held map[string]bool // the values that have one
}

// placeTime is how long a third value waits.
const placeTime = 30 * time.Second

var (
	_ Provider   = (*acmeDNS)(nil)
	_ ZoneFinder = (*acmeDNS)(nil)
)

func acmeDNSMessage(answer []byte) string {
	var w struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(answer, &w) // no message is what is left of nonsense
	return w.Error
}

// AppendRecords sets values of the account's name. Another name is an error: its CNAME
// is missing, or leads elsewhere.
func (a *acmeDNS) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	changes, in, err := plan(zone, recs, func(c *change, text string) { c.add = append(c.add, text) })
	if err != nil {
		return nil, fmt.Errorf("add record: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	var done []libdns.Record
	for _, c := range changes {
		if err := a.mine(c.name); err != nil {
			return done, fmt.Errorf("add record: %w", err)
		}
		for _, text := range c.add {
			if err := a.set(ctx, text); err != nil {
				return done, fmt.Errorf("add record: %w", err)
			}
			done = append(done, libdns.TXT{Name: relative(c.name, in, "@"), TTL: c.ttl, Text: text})
		}
	}
	return done, nil
}

// set sends an update, unless acme-dns has the value: what is set twice takes both places.
func (a *acmeDNS) set(ctx context.Context, text string) error {
	has, err := a.hold(ctx, text)
	if err != nil || has {
		return err
	}
	err = a.do(ctx, call{
		op: "set record", method: http.MethodPost, path: []string{"update"}, // not again in doubt
		in: struct {
			Subdomain string `json:"subdomain"`
			TXT       string `json:"txt"`
		}{a.subdomain, text},
	})
	if err != nil {
		a.release(text)
	}
	return err
}

// hold takes one of the two places for a value, and reports whether it has one already.
func (a *acmeDNS) hold(ctx context.Context, text string) (has bool, err error) {
	wait := time.NewTimer(placeTime)
	defer wait.Stop()
	if a.holds(text) {
		return true, nil
	}
	select {
	case a.places <- struct{}{}:
	case <-ctx.Done():
		return false, fmt.Errorf("wait for a place at acme-dns: %w", context.Cause(ctx))
	case <-wait.C:
		return false, errors.New("wait for a place at acme-dns: two other names are being proved; more at once need accounts of their own")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held[text] {
		<-a.places
		return true, nil
	}
	a.held[text] = true
	return false, nil
}

func (a *acmeDNS) holds(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held[text]
}

func (a *acmeDNS) release(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held[text] {
		delete(a.held, text)
		<-a.places
	}
}

// DeleteRecords makes room for others, no more: acme-dns forgets the oldest value by
// itself.
func (a *acmeDNS) DeleteRecords(_ context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, _, err := plan(zone, recs, func(*change, string) {}); err != nil {
		return nil, fmt.Errorf("delete record: %w", err)
	}
	for _, rec := range recs {
		a.release(rec.RR().Data)
	}
	return recs, nil
}

// FindZone says that whatever is behind the account's label is its zone: acme-dns needs
// to know no more.
func (a *acmeDNS) FindZone(_ context.Context, name string) (string, error) {
	clean, err := cleanName(name)
	if err != nil {
		return "", fmt.Errorf("find zone: %w", err)
	}
	if err := a.mine(clean); err != nil {
		return "", fmt.Errorf("find zone: %w", err)
	}
	_, parent, _ := strings.Cut(clean, ".")
	return parent + ".", nil
}

func (a *acmeDNS) mine(name string) error {
	label, parent, _ := strings.Cut(name, ".")
	if label == a.subdomain && parent != "" {
		return nil
	}
	return fmt.Errorf("%s is not the name of this account at acme-dns; it has to be a CNAME to %s.%s or whatever its fulldomain is: %w",
		name, a.subdomain, a.base.Hostname(), ErrNoZone)
}
