package static

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// maxListed is how many entries of a directory are listed.
const maxListed = 10_000

// view is how a listing is shown.
type view struct {
	media string // text/plain, application/json, text/html
	sort  string // name, size, time
	desc  bool
}

// page is a directory as it is listed.
type page struct {
	view
	path  string // below the root, with a slash at both ends
	items []item
	cut   bool // there is more
}

type item struct {
	name string
	dir  bool
	size int64 // 0 for a directory
	time time.Time
}

// listing answers with the contents of the directory called name, which ends with
// a slash. Listings are cached like files, so that asking often for a large one
// costs one look at it per interval.
func (h *Handler) listing(r *exchange.Request, name []byte, now int64) (*exchange.Response, error) {
	v := parseView(r.Query)
	// Clients that take anything are programs; browsers ask for HTML by name.
	v.media = exchange.PreferMedia(r.Header.Joined("accept"), "text/plain", "application/json", "text/html")
	if v.media == "" {
		v.media = "text/html"
	}
	order := "asc"
	if v.desc {
		order = "desc"
	}
	// No path holds a NUL: the key is no file's.
	k := key{h, string(name) + "\x00" + v.media + " " + v.sort + " " + order}
	hash := maphash.String(h.seed, k.name)
	e := h.cache.get(h, hash, []byte(k.name))
	if e == nil || !h.fresh(e, now) {
		var err error
		e, err = h.refresh(k, hash, e, now, func(_ string, old *entry) (*entry, error) { return h.list(string(name), v, old) })
		if err != nil {
			return nil, err
		}
	}
	return h.answer(r, e)
}

func parseView(query string) view {
	v := view{sort: "name"}
	for pair := range strings.SplitSeq(query, "&") {
		switch pair {
		case "sort=name", "sort=size", "sort=time":
			v.sort = pair[len("sort="):]
		case "order=desc":
			v.desc = true
		case "order=asc":
			v.desc = false
		}
	}
	return v
}

// list reads and shows a directory.
func (h *Handler) list(name string, v view, old *entry) (*entry, error) {
	p := &page{view: v, path: name}
	if err := h.readDir(p); err != nil {
		return nil, err
	}
	p.arrange()
	f := form{}
	switch v.media {
	case "text/html":
		f.content = p.html()
	case "application/json":
		f.content = p.json()
	default:
		f.content = p.text()
	}
	f.size = int64(len(f.content))
	f.etag = f.tag(nil)
	if old != nil && old.forms[0].etag == f.etag {
		return old, nil
	}
	f.fields = p.fields(f.etag, h.cacheFor(name))
	f.brief = f.fields[:3]
	e := &entry{forms: []form{f}}
	e.seal(name)
	return e, nil
}

// fields begins with those of a 304.
func (p *page) fields(etag, cacheControl string) []exchange.Field {
	kind := p.media
	if kind != "application/json" {
		kind += "; charset=utf-8"
	}
	fields := []exchange.Field{
		{Name: "etag", Value: etag},
		{Name: "vary", Value: "accept"},
		{Name: "cache-control", Value: cmp.Or(cacheControl, "no-cache")},
		{Name: "content-type", Value: kind},
		{Name: "x-content-type-options", Value: "nosniff"},
	}
	if p.media == "text/html" {
		fields = append(fields, exchange.Field{Name: "content-security-policy", Value: contentPolicy()})
	}
	if p.cut {
		fields = append(fields, exchange.Field{Name: "x-listing-truncated", Value: "true"})
	}
	return fields
}

// contentPolicy allows the page its own style sheet, and nothing else: a file's
// name that found a way around the escaping would still do nothing.
var contentPolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(listingStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
})

// readDir fills p with what a client could ask for.
func (h *Handler) readDir(p *page) error {
	name := strings.TrimSuffix(p.path, "/")
	if name != "" && h.hidden(name) {
		return exchange.ErrNotFound
	}
	root, err := h.tree.enter()
	if err != nil {
		return err
	}
	defer root.Close()
	rel := "."
	if name != "" {
		rel = name[1:]
	}
	info, err := h.tree.stat(root, rel)
	if err != nil || !info.IsDir() {
		return cmp.Or(err, exchange.ErrNotFound)
	}
	dir, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return classify(err)
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, base := range names {
			it, ok := h.item(root, name, base)
			if ok && len(p.items) == maxListed {
				p.cut = true
				return nil
			}
			if ok {
				p.items = append(p.items, it)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return classify(err)
		}
	}
}

// item tells what base in the directory dir is, if it exists for clients.
func (h *Handler) item(root *os.Root, dir, base string) (item, bool) {
	name := dir + "/" + base
	if h.hidden(name) || !reachable(base) {
		return item{}, false
	}
	info, err := root.Lstat(name[1:])
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && !h.tree.noLinks {
		info, err = root.Stat(name[1:]) // fails where it leads outside
	}
	if err != nil || !info.Mode().IsRegular() && !info.IsDir() {
		return item{}, false
	}
	it := item{name: base, dir: info.IsDir(), time: info.ModTime().UTC()}
	if !it.dir {
		it.size = info.Size()
	}
	return it, true
}

// reachable tells whether a request can name a file at all: canonical paths hold
// neither control characters nor backslashes.
func reachable(base string) bool {
	return strings.IndexFunc(base, func(c rune) bool { return c < 0x20 || c == 0x7f || c == '\\' }) < 0
}

// arrange sorts: directories first, then by the column asked for, then by name.
func (p *page) arrange() {
	slices.SortFunc(p.items, func(a, b item) int {
		if a.dir != b.dir {
			if a.dir {
				return -1
			}
			return 1
		}
		c := 0
		switch p.sort {
		case "size":
			c = cmp.Compare(a.size, b.size)
		case "time":
			c = a.time.Compare(b.time)
		}
		if c == 0 {
			c = cmp.Or(strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), strings.Compare(a.name, b.name))
		}
		if p.desc {
			return -c
		}
		return c
	})
}
