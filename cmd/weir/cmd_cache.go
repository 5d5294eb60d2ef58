package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/weirproxy/weir/edge/cache"
)

type cacheCmd struct {
	Purge cachePurgeCmd `cmd:"" help:"Remove kept responses."`
	Stats cacheStatsCmd `cmd:"" help:"Print what the cache holds and has done."`
}

type cachePurgeCmd struct {
	adminFlag
	URLs   []string `arg:"" optional:"" name:"url" help:"URLs whose responses to remove, in all variants."`
	Host   string   `placeholder:"NAME" help:"Those of a host; with --prefix and --tag: only of this host."`
	Prefix string   `placeholder:"PATH" help:"Those whose path begins so: /static/."`
	Tag    string   `placeholder:"TAG" help:"Those with this tag in the field that cache: tags: names (Cache-Tag)."`
	All    bool     `help:"All of them."`
}

func (cmd *cachePurgeCmd) Run(a *app) error {
	var asked []url.Values
	for _, u := range cmd.URLs {
		asked = append(asked, url.Values{"url": {u}})
	}
	rest := url.Values{}
	for name, value := range map[string]string{"host": cmd.Host, "prefix": cmd.Prefix, "tag": cmd.Tag} {
		if value != "" {
			rest.Set(name, value)
		}
	}
	if cmd.All {
		rest.Set("all", "1")
	}
	if len(rest) > 0 {
		asked = append(asked, rest)
	}
	if len(asked) == 0 {
		fmt.Fprintln(a.stderr, "weir cache purge: name URLs, --host, --prefix, --tag or --all")
		return exitError(exitUsage)
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	total := 0
	for _, q := range asked {
		text, err := client.do("POST", "/cache/purge?"+q.Encode())
		if err != nil {
			return err
		}
		var answer struct{ Purged int }
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			return fmt.Errorf("read the answer of the running weir: %w", err)
		}
		total += answer.Purged
	}
	fmt.Fprintf(a.stdout, "removed %s\n", count(total, "response"))
	return nil
}

type cacheStatsCmd struct {
	adminFlag
	JSON bool `name:"json" help:"Print JSON."`
}

func (cmd *cacheStatsCmd) Run(a *app) error {
	if cmd.JSON {
		return cmd.ask(a, "GET", "/cache")
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	text, err := client.do("GET", "/cache")
	if err != nil {
		return err
	}
	var s statsJSON
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("read the answer of the running weir: %w", err)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(w, "%s\t%v\n", name, value) }
	row("responses", s.Entries)
	row("in memory", bytesOf(s.Memory))
	row("on disk", bytesOf(s.Disk))
	row("hits", share(s.Hits, s.Hits+s.Misses))
	row("  stale", s.Stale)
	row("misses", share(s.Misses, s.Hits+s.Misses))
	row("waited for another's answer", s.Collapsed)
	row("found good by asking", s.Validated)
	row("stored", s.Stored)
	row("made room", s.Evicted)
	row("purged", s.Purged)
	return w.Flush()
}

// share prints a number, and how much it is of all.
func share(n, all int64) string {
	if all == 0 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d (%d%%)", n, n*100/all)
}

// bytesOf prints a size for people.
func bytesOf(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// purge serves POST /cache/purge.
func (a *admin) purge(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name := range q {
		switch name {
		case "host", "url", "prefix", "tag", "all":
		default:
			http.Error(w, "unknown parameter "+strconv.Quote(name)+": want url, host, prefix, tag or all", http.StatusBadRequest)
			return
		}
	}
	n, store := 0, a.process.world.cacheStore()
	if store != nil {
		var err error
		n, err = store.Purge(cache.Selection{
			Host: q.Get("host"), URL: q.Get("url"), Prefix: q.Get("prefix"), Tag: q.Get("tag"),
			All: cmp.Or(q.Get("all"), "0") != "0",
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	writeJSON(w, struct {
		Purged int `json:"purged"`
	}{n})
}

// cache serves GET /cache.
func (a *admin) cache(w http.ResponseWriter, _ *http.Request) {
	var s cache.Stats
	if store := a.process.world.cacheStore(); store != nil {
		s = store.Stats()
	}
	writeJSON(w, statsJSON(s))
}

// statsJSON is what GET /cache says. Sizes are in bytes.
type statsJSON struct {
	Hits      int64 `json:"hits"`
	Misses    int64 `json:"misses"`
	Stale     int64 `json:"stale_hits"`
	Collapsed int64 `json:"collapsed"`
	Validated int64 `json:"validated"`
	Stored    int64 `json:"stored"`
	Evicted   int64 `json:"evicted"`
	Purged    int64 `json:"purged"`
	Entries   int   `json:"responses"`
	Memory    int64 `json:"memory"`
	Disk      int64 `json:"disk"`
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	e.Encode(v) // who asked may have gone
}
