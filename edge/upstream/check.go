package upstream

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// weightMost bounds weights, so that their sums fit everywhere.
const weightMost = 1 << 16

var policies = []string{"least-requests", "round-robin", "random", "first", "hash"}

// Check says what is wrong with s, everything at once, each naming its field. It
// opens no file and asks no name server.
func (s Settings) Check() error {
	origins, err := s.origins()
	all := []error{err, s.checkPolicy(), s.checkHealth(origins), s.checkNumbers(), s.checkTLS(origins)}
	if s.Proxy < 0 || s.Proxy > 2 {
		all = append(all, fmt.Errorf("proxy: version %d of the PROXY header: want 1, 2 or 0 for none", s.Proxy))
	}
	if s.Proxy > 0 && slices.ContainsFunc(origins, func(o origin) bool { return !o.http1() }) {
		// A connection that many clients share cannot begin with the address of one.
		all = append(all, errors.New("proxy: a PROXY header needs http, https or unix endpoints"))
	}
	return errors.Join(all...)
}

// origins are what the endpoints' URLs say; those that are wrong are missing.
func (s Settings) origins() (list []origin, err error) {
	if len(s.Endpoints) == 0 {
		return nil, errors.New("endpoints: none")
	}
	var all []error
	for i, e := range s.Endpoints {
		o, err := parseOrigin(e.URL)
		if err != nil {
			all = append(all, fmt.Errorf("endpoints[%d]: url %q: %w", i, e.URL, err))
			continue
		}
		if e.Weight < 0 || e.Weight > weightMost {
			all = append(all, fmt.Errorf("endpoints[%d]: weight %d: want 1 to %d", i, e.Weight, weightMost))
		}
		list = append(list, o)
	}
	return list, errors.Join(all...)
}

func (s Settings) checkPolicy() error {
	var all []error
	if s.Policy != "" && !slices.Contains(policies, s.Policy) {
		all = append(all, fmt.Errorf("policy: %q: want one of %s", s.Policy, strings.Join(policies, ", ")))
	}
	if _, err := parseHash(s.Hash); err != nil {
		all = append(all, fmt.Errorf("hash: %w", err))
	}
	if (s.Policy == "hash") != (s.Hash != "") {
		all = append(all, errors.New("hash: goes with policy hash, and that with it"))
	}
	if s.Sticky != "" && !exchange.ValidName(s.Sticky) {
		all = append(all, fmt.Errorf("sticky: %q is no name for a cookie", s.Sticky))
	}
	if s.Sticky != "" && s.Policy == "hash" {
		all = append(all, errors.New("sticky: policy hash binds clients already"))
	}
	return errors.Join(all...)
}

func (s Settings) checkHealth(origins []origin) error {
	h := s.Health
	if h.Interval == 0 {
		if h != (Health{}) {
			return errors.New("health: interval: 0, nothing is checked")
		}
		return nil
	}
	var all []error
	wrong := func(format string, args ...any) { all = append(all, fmt.Errorf("health: "+format, args...)) }
	has := func(bad func(origin) bool) bool { return slices.ContainsFunc(origins, bad) }
	switch h.Kind {
	case "", "http":
	case "tcp":
		if has(func(o origin) bool { return o.protocol == "h3" }) {
			wrong("kind: tcp: an h3 endpoint has no TCP")
		}
	case "grpc":
		if has(origin.http1) {
			wrong("kind: grpc: needs h2, h2c or h3 endpoints")
		}
	default:
		wrong("kind: %q: want http, tcp or grpc", h.Kind)
	}
	if h.Path != "" && (h.Path[0] != '/' || strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' })) {
		wrong("path: %q: want a path that begins with /, encoded", h.Path)
	}
	if h.Host != "" {
		if _, _, _, err := exchange.ParseAuthority(h.Host); err != nil {
			wrong("host: %q: %w", h.Host, err)
		}
	}
	if h.Statuses != [2]int{} && (h.Statuses[0] < 200 || h.Statuses[1] > 599 || h.Statuses[0] > h.Statuses[1]) {
		wrong("statuses: %d to %d: want a range within 200 to 599", h.Statuses[0], h.Statuses[1])
	}
	if h.Interval < 0 || h.Timeout < 0 || h.Pass < 0 || h.Fail < 0 {
		wrong("interval, timeout, pass and fail: must not be negative")
	}
	return errors.Join(all...)
}

func (s Settings) checkNumbers() error {
	var all []error
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"eject: for", int64(s.Eject.For)}, {"eject: most", int64(s.Eject.Most)},
		{"limits: requests", int64(s.Limits.Requests)}, {"limits: pending", int64(s.Limits.Pending)},
		{"limits: wait", int64(s.Limits.Wait)}, {"limits: idle", int64(s.Limits.Idle)},
		{"retry: attempts", int64(s.Retry.Attempts)}, {"retry: budget", int64(s.Retry.Budget)},
		{"slow start", int64(s.SlowStart)},
	} {
		if n.value < 0 {
			all = append(all, fmt.Errorf("%s: must not be negative", n.name))
		}
	}
	if s.Eject.Most > 100 || s.Retry.Budget > 100 {
		all = append(all, errors.New("eject: most, retry: budget: more than 100 percent"))
	}
	for _, status := range s.Retry.Statuses {
		if status < 400 || status > 599 {
			all = append(all, fmt.Errorf("retry: statuses: %d: want 400 to 599", status))
		}
	}
	return errors.Join(all...)
}

func (s Settings) checkTLS(origins []origin) error {
	t := s.TLS
	if t.isZero() {
		return nil
	}
	var all []error
	if len(origins) > 0 && !slices.ContainsFunc(origins, origin.tls) {
		all = append(all, errors.New("tls: no endpoint has TLS: want https://, h2:// or h3://"))
	}
	if (t.Cert == "") != (t.Key == "") {
		all = append(all, errors.New("tls: cert and key: one without the other"))
	}
	if t.Insecure && len(t.CA) > 0 {
		all = append(all, errors.New("tls: insecure: asks for no verification, ca for one"))
	}
	if t.MinVersion != 0 && (t.MinVersion < tls.VersionTLS10 || t.MinVersion > tls.VersionTLS13) {
		all = append(all, fmt.Errorf("tls: min version %#x: unknown", t.MinVersion))
	}
	return errors.Join(all...)
}

func (t TLS) isZero() bool {
	return len(t.CA) == 0 && t.Cert == "" && t.Key == "" && t.ServerName == "" && t.MinVersion == 0 && !t.Insecure
}

// withDefaults fills in what zero fields mean. Timeouts that are off become 0, as
// protocols want them.
func (s Settings) withDefaults() Settings {
	s.Policy = cmp.Or(s.Policy, "least-requests")
	s.Refresh = cmp.Or(s.Refresh, 30*time.Second)
	h := &s.Health
	h.Kind, h.Path = cmp.Or(h.Kind, "http"), cmp.Or(h.Path, "/")
	h.Statuses = cmp.Or(h.Statuses, [2]int{200, 399})
	h.Timeout, h.Pass, h.Fail = cmp.Or(h.Timeout, 5*time.Second), cmp.Or(h.Pass, 2), cmp.Or(h.Fail, 3)
	e := &s.Eject
	e.Failures, e.For, e.Most = cmp.Or(e.Failures, 5), cmp.Or(e.For, 10*time.Second), cmp.Or(e.Most, 50)
	l := &s.Limits
	l.Pending, l.Wait, l.Idle = cmp.Or(l.Pending, 1024), cmp.Or(l.Wait, 5*time.Second), cmp.Or(l.Idle, 64)
	r := &s.Retry
	r.Attempts, r.Budget = cmp.Or(r.Attempts, 2), cmp.Or(r.Budget, 20)
	t := &s.Timeouts
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Connect, 5 * time.Second}, {&t.Head, time.Minute}, {&t.Idle, time.Minute},
		{&t.Keep, time.Minute}, {&t.Age, time.Hour}, {&t.Whole, 0}, {&t.Tunnel, 0},
	} {
		*d.field = max(0, cmp.Or(*d.field, d.value))
	}
	return s
}
