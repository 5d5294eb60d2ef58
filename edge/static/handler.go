package static

import (
	"errors"
	"hash/maphash"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Handler serves the files of one directory. It is safe for concurrent use.
type Handler struct {
	tree         *tree
	cache        *Cache
	seed         maphash.Seed
	base         time.Time     // the cache counts time from here
	maxAge       time.Duration // for how long an entry counts as true
	closed       atomic.Bool
	prefix       string
	anyCase      bool // of prefix
	index        []string
	try          []candidate
	hide         []glob
	dotfiles     bool
	browse       bool
	plainOnly    bool
	types        map[string]string
	charset      string // "; charset=utf-8"
	attachment   []glob
	cacheControl []cacheRule
}

var _ exchange.Handler = (*Handler)(nil)

// maxName is the longest name worth a look: PATH_MAX of Linux.
const maxName = 4096

const allowed = "GET, HEAD, OPTIONS"

var (
	errMethod error = &exchange.Error{Fault: exchange.Client, Status: http.StatusMethodNotAllowed,
		Fields: []exchange.Field{{Name: "allow", Value: allowed}}}
	errOpaque error = exchange.Reason(http.StatusBadRequest, "path holds an encoded slash or backslash")
	errClosed       = errors.New("static handler is closed")
)

// Close forgets what is cached, and so closes the files that are open. Responses
// under way still end well; later requests fail. The error is always nil.
func (h *Handler) Close() error {
	if !h.closed.Swap(true) {
		h.cache.purge(h)
	}
	return nil
}

// Handle implements exchange.Handler. It waits for nothing but the disk.
func (h *Handler) Handle(r *exchange.Request) (*exchange.Response, error) {
	if r.Method != "GET" && r.Method != "HEAD" {
		if r.Method != "OPTIONS" {
			return nil, errMethod
		}
		resp := r.NewResponse(http.StatusNoContent)
		resp.Header.Append("allow", allowed)
		return resp, nil
	}
	if r.Opaque || r.Path == "" || r.Path[0] != '/' {
		return nil, errOpaque
	}
	path, ok := strings.CutPrefix(r.Path, h.prefix)
	if n := len(h.prefix); !ok && h.anyCase && len(r.Path) >= n && lower(r.Path[:n]) == lower(h.prefix) {
		path, ok = r.Path[n:], true
	}
	if !ok || path != "" && path[0] != '/' || len(path) > maxName {
		return nil, exchange.ErrNotFound
	}
	if path == "" {
		return redirect(r) // the prefix itself: the root without its slash
	}
	return h.find(r, path, h.now(r))
}

// now is when the request arrived: what was true then, is true enough. It spares
// a look at the clock, of which the protocol has had one.
func (h *Handler) now(r *exchange.Request) int64 {
	if r.Record.Start.IsZero() {
		return int64(time.Since(h.base))
	}
	return int64(r.Record.Start.Sub(h.base))
}

// find answers with the first candidate that stands for something.
func (h *Handler) find(r *exchange.Request, path string, now int64) (*exchange.Response, error) {
	var buf [512]byte // names are made and looked up without a copy on the heap
	for i := range h.try {
		c := &h.try[i]
		if c.err != nil {
			return nil, c.err
		}
		name := c.append(buf[:0], path)
		var resp *exchange.Response
		var err error
		if name[len(name)-1] == '/' {
			resp, err = h.directory(r, name, c, now)
		} else {
			resp, err = h.file(r, name, c, now)
		}
		if err != exchange.ErrNotFound {
			return resp, err
		}
	}
	return nil, exchange.ErrNotFound
}

// file answers with the file called name, or sends on to a directory of that name.
func (h *Handler) file(r *exchange.Request, name []byte, c *candidate, now int64) (*exchange.Response, error) {
	e, err := h.lookup(name, now)
	if err != nil {
		return nil, err
	}
	if !e.dir {
		return h.answer(r, e)
	}
	e.drop()
	if c.exact() && (h.browse || h.hasIndex(append(name, '/'), now)) {
		return redirect(r)
	}
	return nil, exchange.ErrNotFound
}

// directory answers for name, which ends with a slash.
func (h *Handler) directory(r *exchange.Request, name []byte, c *candidate, now int64) (*exchange.Response, error) {
	for _, index := range h.index {
		e, err := h.lookup(append(name, index...), now)
		if err != nil {
			if err != exchange.ErrNotFound {
				return nil, err
			}
			continue
		}
		if !e.dir {
			return h.answer(r, e)
		}
		e.drop()
	}
	if h.browse {
		return h.listing(r, name, now)
	}
	return nil, exchange.ErrNotFound
}

func (h *Handler) hasIndex(name []byte, now int64) bool {
	for _, index := range h.index {
		if e, err := h.lookup(append(name, index...), now); err == nil {
			e.drop()
			if !e.dir {
				return true
			}
		}
	}
	return false
}

// redirect sends the client from a directory to its path with a slash. The
// location is relative, one element and no more: it cannot name another host,
// and holds where a proxy in front has cut a prefix off.
func redirect(r *exchange.Request) (*exchange.Response, error) {
	location := "./" + escape(r.Path[strings.LastIndexByte(r.Path, '/')+1:]) + "/"
	if r.Query != "" {
		location += "?" + r.Query
	}
	resp := r.NewResponse(http.StatusPermanentRedirect)
	if err := resp.Header.Add("location", location); err != nil {
		return nil, exchange.Reason(http.StatusBadRequest, "query holds a forbidden character")
	}
	return resp, nil
}
