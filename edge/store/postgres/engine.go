package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirproxy/weir/edge/store"
)

// Options are the settings of an engine.
type Options struct {
	// URL is postgres://user:password@host/database with the parameters of libpq, or
	// its key=value form.
	URL string
	// WatchURL is where to LISTEN, if URL leads to a pool that gives no session; "" means URL.
	WatchURL string
	// Prefix is what the names of tables begin with; "" means weir_. Lower-case letters,
	// digits and underscores.
	Prefix string
	// Statement is how long the server works at a statement for a client that may have
	// gone; 0 means 5 s.
	Statement time.Duration
	// Silence is how long a watched connection may say nothing before it is asked
	// whether it is alive; 0 means 5 s. It is given up after twice that.
	Silence time.Duration
	// Sweep is how often expired entries are deleted; 0 means once a minute.
	Sweep time.Duration
}

type engine struct {
	pool    *pgxpool.Pool
	watches *pgx.ConnConfig
	prefix  string
	place   string
	limit   time.Duration
	silence time.Duration

	made   atomic.Bool   // the tables are there
	plain  atomic.Bool   // settings of a session cannot be asked for
	making chan struct{} // holds a value while somebody looks for the tables

	stop  context.CancelFunc // ends the sweeper
	swept sync.WaitGroup
}

var _ store.Engine = (*engine)(nil)

// Open returns an engine that will connect when it is used: that PostgreSQL cannot be
// reached is no error here. The tables are made then, if they are not there.
func Open(_ context.Context, o Options) (store.Engine, error) {
	e, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return e, nil
}

func open(o Options) (*engine, error) {
	if o.Prefix == "" {
		o.Prefix = "weir_"
	}
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`).MatchString(o.Prefix) {
		return nil, fmt.Errorf("prefix %q: up to 32 lower-case letters, digits and underscores, please", o.Prefix)
	}
	if o.Statement <= 0 {
		o.Statement = 5 * time.Second
	}
	if o.Silence <= 0 {
		o.Silence = 5 * time.Second
	}
	if o.Sweep <= 0 {
		o.Sweep = time.Minute
	}
	c, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("parse postgres URL: it is not one, or a parameter is wrong") // err may show the password
	}
	e := &engine{prefix: o.Prefix, limit: o.Statement, silence: o.Silence, making: make(chan struct{}, 1)}
	e.configure(c, o.URL)
	e.watches = c.ConnConfig.Copy()
	if o.WatchURL != "" {
		if e.watches, err = pgx.ParseConfig(o.WatchURL); err != nil {
			return nil, errors.New("parse postgres URL for watches: it is not one, or a parameter is wrong")
		}
	}
	e.place = fmt.Sprintf("postgres at %s:%d, database %s, tables %s*", c.ConnConfig.Host, c.ConnConfig.Port, c.ConnConfig.Database, o.Prefix)
	ctx, stop := context.WithCancel(context.Background())
	if e.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		stop()
		return nil, err
	}
	e.stop = stop
	e.swept.Go(func() { e.sweep(ctx, o.Sweep) })
	return e, nil
}

func (e *engine) configure(c *pgxpool.Config, url string) {
	if !strings.Contains(url, "default_query_exec_mode") {
		// Binary values, and no prepared statement that another session would lack.
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if !strings.Contains(url, "pool_max_conns") {
		c.MaxConns = 16
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	c.MinConns = 0
	limits := map[string]string{
		"statement_timeout":                   millis(e.limit),
		"idle_in_transaction_session_timeout": millis(frozen),
	}
	c.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		for name, value := range limits {
			if _, set := c.RuntimeParams[name]; !set && !e.plain.Load() {
				c.RuntimeParams[name] = value
			}
		}
		return nil
	}
}

// frozen is how long a transaction may wait for its client.
const frozen = 2 * time.Second

func millis(d time.Duration) string { return strconv.FormatInt(store.Millis(d), 10) }

// sql gives tables their prefix.
func (e *engine) sql(query string) string {
	if e.prefix == "weir_" {
		return query
	}
	return strings.ReplaceAll(query, "weir_", e.prefix)
}

// Close implements store.Engine.
func (e *engine) Close() error {
	e.stop()
	e.swept.Wait()
	e.pool.Close()
	return nil
}
