package redis

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/weirproxy/weir/edge/store"
)

// Options are the settings of an engine.
type Options struct {
	// URL is redis://user:password@host:6379/0, rediss:// for TLS, or
	// unix://user:password@/path/of/socket?db=0.
	URL string
	// Prefix is what all keys begin with, within braces; "" means weir.
	Prefix string
	// Roots are the authorities that vouch for a server of rediss://; nil means the system's.
	Roots *x509.CertPool
	// Silence is how long a watched connection may say nothing before it is asked
	// whether it is alive; 0 means 5 s. It is given up after twice that.
	Silence time.Duration
}

type engine struct {
	client  *redis.Client
	prefix  string
	silence time.Duration
	place   string
	open    bool // without TLS, over a network
}

var _ store.Engine = (*engine)(nil)

// quiet keeps the client from writing to standard error; what it writes is in our errors.
var quiet = sync.OnceFunc(logging.Disable)

// Open returns an engine that will connect when it is used: that Redis cannot be reached
// is no error here.
func Open(_ context.Context, o Options) (store.Engine, error) {
	quiet()
	c, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errors.New("open store: parse redis URL: " + withoutURL(err))
	}
	if o.Prefix == "" {
		o.Prefix = "weir"
	}
	if err := store.ValidKey(o.Prefix); err != nil || bytes.ContainsAny([]byte(o.Prefix), "{} ") {
		return nil, fmt.Errorf("open store: prefix %q: no braces and blanks, please", o.Prefix)
	}
	if o.Silence <= 0 {
		o.Silence = 5 * time.Second
	}
	if c.TLSConfig != nil && o.Roots != nil {
		c.TLSConfig.RootCAs = o.Roots
	}
	c.MaxRetries = -1 // what got no answer may have been done
	c.ContextTimeoutEnabled = true
	c.DialTimeout = 5 * time.Second // the deadline of the operation is sooner
	c.DialerRetries = 1
	c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = 10*time.Second, 10*time.Second, 10*time.Second
	c.Protocol = 2
	c.DisableIdentity = true
	c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if c.PoolSize == 0 {
		c.PoolSize = 32
	}
	return &engine{
		client: redis.NewClient(c), prefix: "{" + o.Prefix + "}:", silence: o.Silence,
		place: fmt.Sprintf("redis at %s, database %d, keys {%s}:*", c.Addr, c.DB, o.Prefix),
		open:  c.Network == "tcp" && c.TLSConfig == nil && !loopback(c.Addr),
	}, nil
}

// Close implements store.Engine.
func (e *engine) Close() error { return e.client.Close() }

func (e *engine) value(key string) string  { return e.prefix + "k:" + key }
func (e *engine) lease(name string) string { return e.prefix + "l:" + name }

// Now implements store.Engine.
func (e *engine) Now(ctx context.Context) (time.Time, error) {
	now, err := e.client.Time(ctx).Result()
	return now.UTC(), explain(err)
}

// Get implements store.Engine.
func (e *engine) Get(ctx context.Context, key string) (store.Entry, error) {
	raw, err := e.client.Get(ctx, e.value(key)).Bytes()
	if errors.Is(err, redis.Nil) {
		return store.Entry{}, store.ErrNotFound
	}
	if err != nil {
		return store.Entry{}, explain(err)
	}
	return parseEntry(key, raw)
}

// parseEntry reads what scriptCommit has written.
func parseEntry(key string, raw []byte) (store.Entry, error) {
	head, _, ok := bytes.Cut(raw[:min(len(raw), 64)], []byte{'\n'})
	first, second, blank := bytes.Cut(head, []byte{' '})
	version, err1 := strconv.ParseUint(string(first), 10, 63)
	expires, err2 := strconv.ParseInt(string(second), 10, 64)
	if !ok || !blank || err1 != nil || err2 != nil || version == 0 || expires < 0 {
		return store.Entry{}, fmt.Errorf("%w: the value of %q was written by another program", store.ErrDamaged, key)
	}
	e := store.Entry{Key: key, Value: raw[len(head)+1:], Version: version}
	if expires > 0 {
		e.Expires = time.UnixMilli(expires).UTC()
	}
	return e, nil
}

// List implements store.Engine.
func (e *engine) List(ctx context.Context, prefix, after string, limit int) ([]store.Entry, bool, error) {
	from, to := store.Range(prefix, after)
	for {
		all, err := scriptList.Run(ctx, e.client, []string{e.prefix + "i", e.prefix + "x"},
			e.prefix+"k:", from, to, min(limit, store.MaxPage), store.MaxPageBytes).StringSlice()
		if err != nil {
			return nil, false, explain(err)
		}
		if len(all)%2 != 1 {
			return nil, false, fmt.Errorf("%w: list answers %d values", store.ErrDamaged, len(all))
		}
		page := make([]store.Entry, 0, len(all)/2)
		for i := 1; i < len(all); i += 2 {
			entry, err := parseEntry(all[i], []byte(all[i+1]))
			if err != nil {
				return nil, false, err
			}
			page = append(page, entry)
		}
		more := all[0] == "1" && len(page) < limit
		if len(page) > 0 || !more {
			return page, more, nil
		}
	}
}

// Commit implements store.Engine.
func (e *engine) Commit(ctx context.Context, b store.Batch) (uint64, error) {
	keys := make([]string, 0, 4+len(b.Ops))
	args := make([]any, 0, 3+6*len(b.Ops))
	lease, held := e.prefix+"l:", ""
	if b.Held != nil {
		lease, held = e.lease(b.Held.Name), content(*b.Held)
	}
	keys = append(keys, e.prefix+"n", e.prefix+"i", e.prefix+"x", lease)
	args = append(args, e.prefix+"k:", e.prefix+"w", held)
	for _, op := range b.Ops {
		kind, cond, quiet := "put", "", ""
		if op.Quiet {
			quiet = "quiet"
		}
		if op.Delete {
			kind = "delete"
		}
		switch {
		case op.If.Absent:
			cond = "0"
		case op.If.Version != 0:
			cond = strconv.FormatUint(op.If.Version, 10)
		}
		keys = append(keys, e.value(op.Key))
		args = append(args, op.Key, kind, op.Value, store.Millis(op.TTL), cond, quiet)
	}
	return answer(scriptCommit.Run(ctx, e.client, keys, args...))
}

// content is what the key of a lease holds.
func content(l store.Lease) string { return strconv.FormatUint(l.Fence, 10) + " " + l.Holder }

// Acquire implements store.Engine.
func (e *engine) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (uint64, error) {
	return answer(scriptAcquire.Run(ctx, e.client, []string{e.prefix + "n", e.lease(name)}, holder, store.Millis(ttl)))
}

// Extend implements store.Engine.
func (e *engine) Extend(ctx context.Context, l store.Lease, ttl time.Duration) error {
	_, err := answer(scriptExtend.Run(ctx, e.client, []string{e.lease(l.Name)}, content(l), store.Millis(ttl)))
	return err
}

// Release implements store.Engine.
func (e *engine) Release(ctx context.Context, l store.Lease) error {
	_, err := answer(scriptRelease.Run(ctx, e.client, []string{e.lease(l.Name)}, l.Fence, l.Holder))
	return err
}

// answer reads what scripts return.
func answer(c *redis.Cmd) (uint64, error) {
	all, err := c.StringSlice()
	if err != nil {
		return 0, explain(err)
	}
	switch {
	case len(all) == 2 && all[0] == "ok":
		n, err := strconv.ParseUint(all[1], 10, 63)
		if err != nil {
			return 0, fmt.Errorf("%w: script answers %q", store.ErrDamaged, all)
		}
		return n, nil
	case len(all) == 2 && all[0] == "conflict":
		return 0, fmt.Errorf("key %q: %w", all[1], store.ErrConflict)
	case len(all) == 1 && all[0] == "fenced":
		return 0, store.ErrFenced
	case len(all) == 1 && all[0] == "held":
		return 0, store.ErrHeld
	}
	return 0, fmt.Errorf("%w: script answers %q", store.ErrDamaged, all)
}
