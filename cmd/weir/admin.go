package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/listen"
	"github.com/weirproxy/weir/edge/metrics"
)

// admin is the listener of the operator: health, metrics, the running
// configuration, reload. It speaks plain HTTP/1.1 to this machine, and refuses
// what a web page could make a browser send (DNS rebinding, cross-site posts).
type admin struct {
	process *process
	server  http.Server
	socket  *listen.Socket
	done    chan struct{}
}

func startAdmin(p *process, address string) (*admin, error) {
	socket, err := p.opener.Stream(address)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	a := &admin{process: p, socket: socket, done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("GET /ready", a.ready)
	mux.HandleFunc("GET /metrics", a.metrics)
	mux.HandleFunc("GET /config", a.config)
	mux.HandleFunc("POST /reload", a.reload)
	mux.HandleFunc("POST /stop", a.stop)
	mux.HandleFunc("POST /reopen", a.reopen)
	mux.HandleFunc("POST /drain", a.drain)
	mux.HandleFunc("GET /upstreams", a.upstreams)
	mux.HandleFunc("POST /upstreams/drain", a.drainUpstream)
	mux.HandleFunc("GET /plugins", a.plugins)
	mux.HandleFunc("GET /certificates", a.certificates)
	mux.HandleFunc("POST /certificates/renew", a.renewCertificate)
	mux.HandleFunc("POST /certificates/revoke", a.revokeCertificate)
	mux.HandleFunc("GET /ech", a.ech)
	mux.HandleFunc("GET /store", a.store)
	mux.HandleFunc("GET /cache", a.cache)
	mux.HandleFunc("POST /cache/purge", a.purge)
	a.server = http.Server{
		Handler: guard(mux), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(a.done)
		a.server.Serve(socket)
	}()
	return a, nil
}

func (a *admin) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		a.server.Close()
	}
	<-a.done
}

// guard lets in who names this machine by address or as localhost, and is no
// web page.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		_, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil && host != "localhost" && host != "unix" && host != "" {
			http.Error(w, "admin answers to addresses and localhost only", http.StatusMisdirectedRequest)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); r.Header.Get("Origin") != "" || site != "" && site != "none" {
			http.Error(w, "admin does not answer web pages", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *admin) health(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") }

// ready serves GET /ready. With ?certificates=1 it also says no while a name that a site
// has lacks a certificate.
func (a *admin) ready(w http.ResponseWriter, r *http.Request) {
	if !a.process.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	if r.URL.Query().Get("certificates") == "1" {
		if lacks := a.lacking(); lacks != "" {
			http.Error(w, lacks, http.StatusServiceUnavailable)
			return
		}
	}
	io.WriteString(w, "ready\n")
}

func (a *admin) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", metrics.ContentType)
	a.process.world.metrics.WriteTo(w)
}

func (a *admin) config(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Write(config.Normal(a.process.conf.Load()))
}

func (a *admin) reload(w http.ResponseWriter, r *http.Request) {
	if err := a.process.ask(r.Context(), askReload); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	io.WriteString(w, "reloaded\n")
}

func (a *admin) reopen(w http.ResponseWriter, r *http.Request) {
	if err := a.process.ask(r.Context(), askReopen); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	io.WriteString(w, "reopened\n")
}

// drain makes /ready say no, so that a load balancer looks elsewhere, and goes on
// serving.
func (a *admin) drain(w http.ResponseWriter, _ *http.Request) {
	a.process.ready.Store(false)
	io.WriteString(w, "draining: /ready says no; stop ends the process\n")
}

func (a *admin) stop(w http.ResponseWriter, r *http.Request) {
	if err := a.process.ask(r.Context(), askStop); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	io.WriteString(w, "stopping\n")
}

// adminClient asks the admin listener of a running weir.
type adminClient struct{ address string }

func (c adminClient) do(method, path string) (string, error) {
	if c.address == "" {
		return "", errors.New("the configuration has admin: off, so nobody can be asked; send the process a signal instead")
	}
	network, address := "tcp", c.address
	if rest, ok := strings.CutPrefix(c.address, "unix:"); ok {
		network, address = "unix", rest
	} else if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, network, address)
		},
	}}
	req, err := http.NewRequest(method, "http://localhost"+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "", fmt.Errorf("weir at %s does not answer", c.address)
		}
		return "", fmt.Errorf("no weir is running at %s (admin): %w", c.address, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(strings.TrimSpace(string(text)))
	}
	return string(text), nil
}
