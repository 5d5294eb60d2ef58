//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/postgres"
	"github.com/weirproxy/weir/edge/store/storetest"
)

func patient(t testing.TB, o postgres.Options) *store.Store {
	t.Helper()
	s := store.New(open(t, o), store.Options{Deadline: 20 * time.Second})
	t.Cleanup(func() { s.Close() })
	return s
}

func TestOpen_NeedsNoServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := patient(t, postgres.Options{URL: "postgres://weir@" + l.Addr().String() + "/weir"})
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestOpen_RefusesBadURLsWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for _, o := range []postgres.Options{
		{URL: "postgres://weir:secret@host:port/weir"}, {URL: "password=secret port=x"}, {URL: "postgres://weir:sec ret@%zz"},
		{URL: "postgres://host", Prefix: `a"; DROP`}, {URL: "postgres://host", Prefix: "A"}, {URL: "postgres://host", Prefix: strings.Repeat("a", 33)},
		{URL: "postgres://host", WatchURL: "postgres://weir:secret@host:port/weir"},
	} {
		e, err := postgres.Open(t.Context(), o)
		if err == nil {
			e.Close()
			t.Errorf("%+v: opened", o)
		} else if strings.Contains(err.Error(), "sec") {
			t.Errorf("%+v: error %q shows the password", o, err)
		}
	}
}

// One server for what does not harm the others.
func TestServer(t *testing.T) {
	t.Parallel()
	server := storetest.StartPostgres(t)
	for name, test := range map[string]func(*testing.T, *storetest.Postgres){
		"NodesThatStartTogetherMakeTheTablesOnce": startTogether,
		"RoleThatMayNotCreateUsesWhatIsThere":     mayNotCreate,
		"PoolByTransactionWorks":                  pooled,
		"FrozenClientHoldsNothingForLong":         frozenClient,
		"VersionsGoAheadOfAnOlderDump":            olderDump,
		"ExpiredRowsAreSwept":                     swept,
		"NoiseOnTheChannelIsNotTold":              noise,
		"OtherEncodingsAreRefused":                encoding,
		"LaterFormatIsRefused":                    laterFormat,
		"CheckFindsWhatIsWrong":                   check,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, server)
		})
	}
}

func startTogether(t *testing.T, server *storetest.Postgres) {
	var wg sync.WaitGroup
	for i := range 8 {
		s := patient(t, postgres.Options{URL: server.URL, Prefix: "together_"})
		wg.Go(func() {
			if _, err := s.Put(t.Context(), strconv.Itoa(i), nil, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := patient(t, postgres.Options{URL: server.URL, Prefix: "together_"})
	if all, err := s.List(t.Context(), "", "", 100); err != nil || len(all) != 8 {
		t.Errorf("%d entries, %v; want 8", len(all), err)
	}
}

func mayNotCreate(t *testing.T, server *storetest.Postgres) {
	server.Exec("CREATE ROLE small LOGIN PASSWORD 'small'")
	url := strings.Replace(server.URL, "weir:secret", "small:small", 1)
	s := patient(t, postgres.Options{URL: url, Prefix: "granted_"})
	if _, err := s.Put(t.Context(), "k", nil, 0); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("without tables: %v", err)
	}
	server.Exec(postgres.Schema("granted_"))
	server.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON granted_entry, granted_lease, granted_format TO small; GRANT USAGE ON granted_version TO small")
	if _, err := s.Put(t.Context(), "k", []byte("x"), 0); err != nil {
		t.Errorf("with tables: %v", err)
	}
	if r, err := s.Check(t.Context()); err != nil || r.Worst() == store.Wrong {
		t.Errorf("check: %+v, %v", r, err)
	}
}

// pooled: behind PgBouncer all works but watches, which have a way around it.
func pooled(t *testing.T, server *storetest.Postgres) {
	pool := storetest.StartPool(t, server)
	o := postgres.Options{URL: pool.URL, WatchURL: server.URL, Prefix: "pooled_"}
	one, two := patient(t, o), patient(t, o)
	heard := make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go one.Watch(ctx, "", func(key string) { heard <- key })
	if key := <-heard; key != "" {
		t.Errorf("heard %q first", key)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		s := []*store.Store{one, two}[w%2]
		wg.Go(func() {
			for range 5 {
				l, err := s.Lock(t.Context(), "l")
				if err != nil {
					t.Error(err)
					return
				}
				held := l.Lease()
				e, err := s.Get(t.Context(), "n")
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
				n, _ := strconv.Atoi(string(e.Value))
				if _, err = s.Commit(t.Context(), store.Batch{Held: &held, Ops: []store.Op{{Key: "n", Value: []byte(strconv.Itoa(n + 1))}, {Key: "m"}}}); err != nil {
					t.Error(err)
				}
				if err := l.Unlock(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if e, err := one.Get(t.Context(), "n"); err != nil || string(e.Value) != "40" {
		t.Errorf("counted %s, %v; want 40", e.Value, err)
	}
	if _, err := two.Put(t.Context(), "last", nil, 0); err != nil {
		t.Fatal(err)
	}
	for key := range heard {
		if key == "last" {
			break
		}
	}
	if r, err := one.Check(t.Context()); err != nil || r.Worst() == store.Wrong {
		t.Errorf("check: %+v, %v", r, err)
	}
}

// frozenClient: a node that freezes within a transaction keeps nobody for long.
func frozenClient(t *testing.T, server *storetest.Postgres) {
	s := patient(t, postgres.Options{URL: server.URL, Prefix: "frozen_"})
	l, err := s.Lock(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// What a commit does until its first answer.
	for _, stmt := range []string{
		"BEGIN", "SET LOCAL idle_in_transaction_session_timeout = 1000",
		"SELECT 1 FROM frozen_lease WHERE name = 'l' FOR SHARE",
	} {
		if _, err := conn.Exec(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if err := l.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("waited %v for a frozen client", took)
	}
}

func olderDump(t *testing.T, server *storetest.Postgres) {
	o := postgres.Options{URL: server.URL, Prefix: "dump_"}
	last, err := patient(t, o).Put(t.Context(), "k", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	server.Exec("SELECT setval('dump_version', 17)")
	if v, err := patient(t, o).Put(t.Context(), "k", nil, 0); err != nil || v <= last {
		t.Errorf("version %d after %d, %v", v, last, err)
	}
}

func swept(t *testing.T, server *storetest.Postgres) {
	s := patient(t, postgres.Options{URL: server.URL, Prefix: "swept_", Sweep: 50 * time.Millisecond})
	for i := range 20 {
		if _, err := s.Put(t.Context(), strconv.Itoa(i), nil, time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(t.Context(), "long", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	l, err := s.Lock(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	storetest.Eventually(t, "only what lives is left", func() bool {
		var n int
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM swept_entry").Scan(&n)
		return err == nil && n == 1
	})
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM swept_lease").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d leases, %v; the row of one that was released stays for a day", n, err)
	}
}

func noise(t *testing.T, server *storetest.Postgres) {
	s := patient(t, postgres.Options{URL: server.URL, Prefix: "noise_"})
	heard := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.Watch(ctx, "", func(key string) { heard <- key })
	<-heard
	for _, payload := range []string{"", "E'a\\nb'", "repeat('x', 700)"} {
		if payload == "" {
			server.Exec("NOTIFY noise_change")
		} else {
			server.Exec("SELECT pg_notify('noise_change', " + payload + ")")
		}
	}
	if _, err := s.Put(t.Context(), "k", nil, 0); err != nil {
		t.Fatal(err)
	}
	if key := <-heard; key != "k" {
		t.Errorf("heard %q", key)
	}
}

func encoding(t *testing.T, server *storetest.Postgres) {
	server.Exec("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	s := patient(t, postgres.Options{URL: strings.Replace(server.URL, "/weir?", "/latin?", 1)})
	if _, err := s.Put(t.Context(), "k", nil, 0); err == nil || !strings.Contains(err.Error(), "LATIN1") {
		t.Errorf("got %v", err)
	}
}

func laterFormat(t *testing.T, server *storetest.Postgres) {
	server.Exec(postgres.Schema("later_"))
	server.Exec("UPDATE later_format SET format = 2")
	s := patient(t, postgres.Options{URL: server.URL, Prefix: "later_"})
	if _, err := s.Put(t.Context(), "k", nil, 0); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("got %v", err)
	}
}

func check(t *testing.T, server *storetest.Postgres) {
	s := patient(t, postgres.Options{URL: server.URL + "&synchronous_commit=off", Prefix: "check_"})
	r, err := s.Check(t.Context())
	if err != nil || r.Worst() != store.Warning || !strings.Contains(fmt.Sprint(r.Findings), "synchronous_commit") {
		t.Errorf("check: %+v, %v", r, err)
	}
	if strings.Contains(fmt.Sprint(r), "secret") {
		t.Errorf("the report shows the password: %+v", r)
	}
	s = patient(t, postgres.Options{URL: server.URL + "&default_transaction_read_only=on", Prefix: "check_"})
	if _, err := s.Put(t.Context(), "k", nil, 0); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("write to what is read only: %v", err)
	}
}
