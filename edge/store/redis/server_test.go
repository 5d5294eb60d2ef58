//go:build unix

package redis_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/redis"
	"github.com/weirproxy/weir/edge/store/storetest"
)

func patient(t testing.TB, o redis.Options) *store.Store {
	t.Helper()
	s := store.New(open(t, o), store.Options{Deadline: 20 * time.Second})
	t.Cleanup(func() { s.Close() })
	return s
}

// command has the server do something, and returns the first line of its answer.
func command(t testing.TB, server *storetest.Redis, words ...string) string {
	t.Helper()
	answer, err := storetest.RedisCommand(server.Addr, words...)
	if err != nil || strings.HasPrefix(answer, "-") {
		t.Fatalf("%q: %s, %v", words, answer, err)
	}
	return answer
}

func TestOpen_NeedsNoServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := patient(t, redis.Options{URL: "redis://" + l.Addr().String()})
	began := time.Now()
	_, err = s.Get(t.Context(), "k")
	if !errors.Is(err, store.ErrUnavailable) || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func TestOpen_RefusesBadURLsWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for _, o := range []redis.Options{
		{}, {URL: "http://x"}, {URL: "redis://:secret@host:port"}, {URL: "redis://:secret@host/database"},
		{URL: "redis://:sec ret\x7f@host"}, {URL: "redis://host", Prefix: "a{b"}, {URL: "redis://host", Prefix: "a b"},
	} {
		e, err := redis.Open(t.Context(), o)
		if err == nil {
			e.Close()
			t.Errorf("%+v: opened", o)
		} else if strings.Contains(err.Error(), "sec") {
			t.Errorf("%+v: error %q shows the password", o, err)
		}
	}
}

func TestUnixSocketAndPassword(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "redis.sock")
	server := storetest.StartRedis(t, "--unixsocket", path)
	command(t, server, "ACL", "SETUSER", "weir", "on", ">s3cret", "~{weir}:*", "&{weir}:w", "+@all", "-@admin", "-@dangerous", "+info")
	s := patient(t, redis.Options{URL: "unix://weir:s3cret@" + path + "?db=3"})
	if _, err := s.Put(t.Context(), "k", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Check(t.Context()); err != nil || r.Worst() == store.Wrong || strings.Contains(fmt.Sprint(r), "s3cret") {
		t.Errorf("check: %+v, %v", r, err)
	}
	if _, err := patient(t, redis.Options{URL: "redis://weir:wrong@" + server.Addr}).Get(t.Context(), "k"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("with a wrong password: %v", err)
	}
}

// Scripts that the server has forgotten are sent again.
func TestForgottenScriptsAreSentAgain(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := patient(t, redis.Options{URL: server.URL})
	for range 3 {
		l, err := s.Lock(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), "k", []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
		command(t, server, "SCRIPT", "FLUSH")
		if _, err := s.List(t.Context(), "", "", 10); err != nil {
			t.Fatal(err)
		}
		if err := l.Unlock(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A server that has lost everything gives no version and no fence again.
func TestVersionsAndFencesGrowOverLossOfData(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := patient(t, redis.Options{URL: server.URL})
	version, err := s.Put(t.Context(), "k", []byte("x"), 0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Lock(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	command(t, server, "FLUSHALL")
	held := l.Lease()
	_, err = s.Commit(t.Context(), store.Batch{Held: &held, Ops: []store.Op{{Key: "k"}}})
	if !errors.Is(err, store.ErrFenced) {
		t.Errorf("write under a lease that is gone: %v", err)
	}
	next, err := s.Lock(t.Context(), "l")
	if err != nil || next.Lease().Fence <= held.Fence {
		t.Errorf("fence %d after %d, %v", next.Lease().Fence, held.Fence, err)
	}
	if again, err := s.PutNew(t.Context(), "k", []byte("x"), 0); err != nil || again <= version {
		t.Errorf("version %d after %d, %v", again, version, err)
	}
}

// What has expired goes out of the sets, by listing and by later writes.
func TestIndexIsSwept(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := patient(t, redis.Options{URL: server.URL})
	put := func(n int) {
		for i := range n / 100 {
			var ops []store.Op
			for j := range 100 {
				ops = append(ops, store.Op{Key: "dead/" + strconv.Itoa(i*100+j), TTL: time.Millisecond})
			}
			if _, err := s.Commit(t.Context(), store.Batch{Ops: ops}); err != nil {
				t.Fatal(err)
			}
		}
	}
	swept := func() bool {
		return command(t, server, "ZCARD", "{weir}:i") == ":1" && command(t, server, "ZCARD", "{weir}:x") == ":0"
	}
	put(5000)
	if _, err := s.Put(t.Context(), "zz", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "a list finds what is behind many dead keys, and clears them", func() bool {
		page, err := s.List(t.Context(), "", "", 10)
		return err == nil && len(page) == 1 && page[0].Key == "zz" && swept()
	})
	put(500)
	storetest.Eventually(t, "writes clear dead keys", func() bool {
		_, err := s.Put(t.Context(), "zz", []byte("x"), 0)
		return err == nil && swept()
	})
}

// A full server refuses, whole, and says so.
func TestFullServer(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t, "--maxmemory", "8mb", "--maxmemory-policy", "noeviction")
	s := patient(t, redis.Options{URL: server.URL})
	var err error
	n := 0
	for ; n < 100 && err == nil; n++ {
		value := make([]byte, 200_000)
		_, err = s.Commit(t.Context(), store.Batch{Ops: []store.Op{
			{Key: "a" + strconv.Itoa(n), Value: value}, {Key: "b" + strconv.Itoa(n), Value: value},
		}})
	}
	if err == nil || !strings.Contains(err.Error(), "redis is full") {
		t.Fatalf("after %d writes: %v", n, err)
	}
	all, err := s.List(t.Context(), "", "", 1000)
	if err != nil || len(all) != 2*(n-1) {
		t.Errorf("%d entries, %v; want %d", len(all), err, 2*(n-1))
	}
}

func TestCheck_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		args []string
	}{
		{"noeviction", []string{"--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"}},
		{"append-only file is off", []string{"--appendonly", "no"}},
	} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			r, err := patient(t, redis.Options{URL: storetest.StartRedis(t, c.args...).URL}).Check(t.Context())
			if err != nil || r.Worst() == store.Fine || !strings.Contains(fmt.Sprint(r.Findings), c.text) {
				t.Errorf("check: %+v, %v", r, err)
			}
		})
	}
	server := storetest.StartRedis(t)
	command(t, server, "REPLICAOF", "127.0.0.1", "1")
	s := patient(t, redis.Options{URL: server.URL})
	if r, err := s.Check(t.Context()); err == nil || r.Worst() != store.Wrong {
		t.Errorf("check of a replica: %+v, %v", r, err)
	}
	if _, err := s.Put(t.Context(), "k", nil, 0); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("write to a replica: %v", err)
	}
}

// Keys that another program has written below our prefix are told, not taken for ours.
func TestForeignValuesAreTold(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := patient(t, redis.Options{URL: server.URL})
	for key, value := range map[string]string{
		"empty": "", "text": "hello", "no line": "17 0", "negative": "17 -1\nx", "zero": "0 0\nx", "huge": "99999999999999999999 0\nx",
	} {
		command(t, server, "SET", "{weir}:k:"+key, value)
		if _, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v", key, err)
		}
	}
	command(t, server, "LPUSH", "{weir}:k:list", "x")
	if _, err := s.Get(t.Context(), "list"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("list: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, roots := certificate(t, dir)
	tlsPort := storetest.FreePort(t)
	storetest.StartRedis(t, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	url := "rediss://127.0.0.1:" + tlsPort
	s := patient(t, redis.Options{URL: url, Roots: roots})
	if _, err := s.Put(t.Context(), "k", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := make(chan string, 10)
	go s.Watch(ctx, "", func(key string) { heard <- key })
	<-heard
	if _, err := s.Put(t.Context(), "k", []byte("y"), 0); err != nil || <-heard != "k" {
		t.Errorf("watch over TLS: %v", err)
	}
	if _, err := patient(t, redis.Options{URL: url}).Get(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with the system's roots: %v", err)
	}
}

// certificate writes one for 127.0.0.1 that vouches for itself.
func certificate(t *testing.T, dir string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(text)
	certFile, keyFile = filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	for file, data := range map[string][]byte{certFile: text, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, pool
}
