package main

import (
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/compress"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/reply"
	"github.com/weirproxy/weir/edge/static"
)

// action makes the handler that answers for a rule: files, an upstream, a redirect,
// or something fixed.
func (b *builder) action(r *config.Rule, params []string, anyCase bool) exchange.Handler {
	switch {
	case r.Root != nil:
		return b.cgi(r.Root, b.static(r.Root, anyCase))
	case r.Proxy != nil:
		return b.proxy(r.Proxy)
	case r.Module != nil:
		if b.world.told != nil {
			return exchange.HandlerFunc(func(*exchange.Request) (*exchange.Response, error) { return nil, errGuest })
		}
		return b.module(r.Module)
	case r.Redirect != nil:
		h, err := reply.NewRedirect(r.Redirect.To, r.Redirect.Status, params...)
		if err != nil {
			b.fail(r.Redirect.Pos, r.Pos, err)
		}
		return h
	case r.Respond != nil:
		return b.respond(r.Respond)
	}
	return nil
}

func (b *builder) respond(c *config.Respond) exchange.Handler {
	h, err := reply.NewFixed(c.Status, []byte(c.Body), c.Type, fieldsOf(c.Headers)...)
	if err != nil {
		b.fail(c.Pos, c.Pos, err)
	}
	return h
}

func fieldsOf(list []config.Field) []exchange.Field {
	fields := make([]exchange.Field, len(list))
	for i, f := range list {
		fields[i] = exchange.Field{Name: f.Name, Value: f.Value}
	}
	return fields
}

// static makes the handler for a directory; sites that serve the same in the same
// way share one, and with it the open directory.
func (b *builder) static(c *config.Static, anyCase bool) exchange.Handler {
	like := *c
	like.Pos = config.Pos{}
	key := fmt.Sprintf("%#v %t", like, anyCase) // quoted: ["a b"] is not ["a" "b"]
	if h := b.files[key]; h != nil {
		return h
	}
	o := static.Options{
		Root: c.Dir, StripPrefix: c.StripPrefix, AnyCase: anyCase, Index: c.Index, Try: c.Try, Browse: c.Browse,
		Hide: c.Hide, Symlinks: c.Symlinks, PlainOnly: !c.Precompressed, Attachment: c.Attachment,
		Types: map[string]string{}, Cache: b.world.files,
	}
	for _, t := range c.MIME {
		o.Types[t.Ext] = t.Type
	}
	for _, cc := range c.CacheControl {
		o.CacheControl = append(o.CacheControl, static.CacheRule{Glob: cc.Glob, Value: cc.Value})
	}
	h, err := static.New(o)
	if err != nil {
		b.fail(c.Pos, c.Pos, err)
		return nil
	}
	b.closers = append(b.closers, func() { h.Close() })
	b.files[key] = h
	return h
}

// compressor returns the filter for c; equal settings share one, and with it what
// it keeps compressed, over reloads too.
func (b *builder) compressor(c *config.Compress) exchange.Filter {
	if c == nil || !c.Enabled {
		return nil
	}
	f, err := b.world.compressor(c)
	if err != nil {
		b.fail(c.Pos, c.Pos, err)
		return nil
	}
	return f
}

func (w *world) compressor(c *config.Compress) (exchange.Filter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprintf("%q %q %d %q", c.Encodings, c.Types, c.MinSize, c.Level)
	if shared := w.compressors[key]; shared != nil {
		shared.build = w.builds
		return shared.Filter, nil
	}
	o := compress.Options{Encodings: c.Encodings, MinLength: int(c.MinSize), Level: compress.Level(c.Level)}
	if c.MinSize == 0 {
		o.MinLength = -1 // no limit; the library's zero is its default
	}
	if len(c.Types) > 0 {
		o.Types = c.Types
	}
	f, err := compress.New(o)
	if err != nil {
		return nil, err
	}
	w.compressors[key] = &sharedCompressor{f, w.builds}
	return f, nil
}

// toHTTPS sends plain HTTP to the same address over TLS, on the port of the first
// HTTPS listener.
func (b *builder) toHTTPS() exchange.Handler {
	port := ""
	if _, p, ok := cutPort(b.c.Listen.HTTPS[0].Address); ok && p != "443" && p != "0" {
		port = ":" + p
	}
	if h := b.world.redirects[port]; h != nil {
		return h
	}
	h, err := reply.NewRedirect("https://{host}"+port+"{uri}", 308)
	if err != nil {
		b.fail(b.c.Listen.HTTPS[0].Pos, b.c.Pos, err)
		return nil
	}
	b.world.redirects[port] = h
	return h
}

func cutPort(address string) (host, port string, ok bool) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return address, "", false
	}
	port = address[i+1:]
	_, err := strconv.Atoi(port)
	return address[:i], port, err == nil
}

var nameInBraces = regexp.MustCompile(`\{([A-Za-z0-9_-]+)(?:\.\.\.)?\}`)

// paramsOf lists the names that path patterns bind. A template may use those that
// every pattern of its route binds.
func paramsOf(paths []config.Text) []string {
	seen := map[string]int{}
	for _, p := range paths {
		for _, m := range nameInBraces.FindAllStringSubmatch(p.Text, -1) {
			seen[m[1]]++
		}
	}
	var all []string
	for name, n := range seen {
		if n == len(paths) {
			all = append(all, name)
		}
	}
	return all
}

// maxErrorPage bounds a file that is held in memory as an error page.
const maxErrorPage = 1 << 20

func pageFile(path string) (body []byte, mediaType string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxErrorPage {
		return nil, "", fmt.Errorf("error page %s: want a file of at most %d KiB", path, maxErrorPage>>10)
	}
	if body, err = os.ReadFile(path); err != nil {
		return nil, "", err
	}
	mediaType = "text/html; charset=utf-8"
	if ext := filepath.Ext(path); ext != ".html" && ext != ".htm" {
		if mediaType = mime.TypeByExtension(ext); mediaType == "" {
			mediaType = "text/plain; charset=utf-8"
		}
	}
	return body, mediaType, nil
}
