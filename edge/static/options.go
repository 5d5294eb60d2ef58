package static

import (
	"errors"
	"fmt"
	"hash/maphash"
	"mime"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Options says what a Handler serves, and how. Only Root is needed.
type Options struct {
	// Root is the directory. It is opened anew for every look at the disk, so it
	// may be replaced (a symlink to the current release, say), but it must exist
	// when the handler is made.
	Root string
	// StripPrefix is cut from the path before the file is looked up: "/static".
	// Paths that do not lie below it are not found.
	StripPrefix string
	// AnyCase cuts StripPrefix off in any case of its ASCII letters, for routes
	// that match so. File names are what they are.
	AnyCase bool
	// Index names the files that answer for a directory, best first. Nil means
	// index.html; empty means none.
	Index []string
	// Try lists what may answer, first match wins: "{path}", "{path}.html",
	// "{path}/", "/index.html", and at last perhaps "=404". None means "{path}".
	Try []string
	// Browse lists directories that have no index file.
	Browse bool
	// Hide holds globs of what shall not exist: without a slash for a file or
	// directory of that name anywhere ("*.bak"), with one from the root
	// ("/private", "/a/**/b"). ASCII case does not matter, since it does not on
	// every file system.
	Hide []string
	// Dotfiles shows names that begin with a dot. Without it only those below
	// /.well-known exist (RFC 8615).
	Dotfiles bool
	// Symlinks is "inside" (followed as long as they stay below the root; the
	// default) or "deny" (they do not exist).
	Symlinks string
	// PlainOnly leaves siblings such as app.js.br, app.js.zst and app.js.gz
	// alone, which otherwise answer for app.js where the client takes that coding.
	PlainOnly bool
	// Types maps extensions (".foo") to media types, before the built-in table.
	Types map[string]string
	// Charset is added to text types: "" means utf-8, "none" none.
	Charset string
	// Attachment holds globs of files to be saved rather than shown.
	Attachment []string
	// CacheControl holds rules for that field; the first that matches decides.
	CacheControl []CacheRule
	// Cache is where files are remembered; many handlers may share one. Nil
	// gives the handler one of its own, of CacheBytes.
	Cache *Cache
	// CacheBytes bounds the handler's own cache: 0 means 64 MiB, less than 0 none.
	CacheBytes int64
	// MaxAgeCheck is for how long what was seen on disk counts as true: 0 means
	// one second, less than 0 that every request looks.
	MaxAgeCheck time.Duration
}

// CacheRule gives a Cache-Control to files.
type CacheRule struct {
	Glob string // as in Options.Hide, for files
	// Value is "none" (not stored at all), "revalidate", "immutable" (a year), a
	// duration ("5m", "7d"), or directives as they stand in the field.
	Value string
}

// New returns a handler for the directory. All that is wrong with o is in the error.
// The caller closes the handler.
func New(o Options) (*Handler, error) {
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	h := &Handler{prefix: strings.TrimSuffix(o.StripPrefix, "/"), anyCase: o.AnyCase, browse: o.Browse, dotfiles: o.Dotfiles,
		plainOnly: o.PlainOnly, types: make(map[string]string), seed: maphash.MakeSeed(), base: time.Now(), cache: o.Cache}
	if h.prefix != "" && h.prefix[0] != '/' {
		fail(fmt.Errorf("strip prefix %q: does not begin with a slash", o.StripPrefix))
	}
	var err error
	h.index, err = indexNames(o.Index)
	fail(err)
	h.try, err = parseTry(o.Try)
	fail(err)
	h.hide, err = parseGlobs("hide", o.Hide, true)
	fail(err)
	h.attachment, err = parseGlobs("attachment", o.Attachment, false)
	fail(err)
	h.cacheControl, err = parseCacheRules(o.CacheControl)
	fail(err)
	fail(h.setTypes(o.Types, o.Charset))
	if o.Symlinks != "" && o.Symlinks != "inside" && o.Symlinks != "deny" {
		fail(fmt.Errorf("symlinks %q: want inside or deny", o.Symlinks))
	}
	if h.maxAge = o.MaxAgeCheck; h.maxAge == 0 {
		h.maxAge = time.Second
	}
	if h.cache == nil {
		h.cache = NewCache(CacheOptions{Bytes: o.CacheBytes})
	}
	h.tree, err = newTree(o.Root, o.Symlinks == "deny")
	fail(err)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return h, nil
}

func indexNames(names []string) ([]string, error) {
	if names == nil {
		return []string{"index.html"}, nil
	}
	for _, name := range names {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
			return nil, fmt.Errorf("index %q: not a file name", name)
		}
	}
	return names, nil
}

func (h *Handler) setTypes(types map[string]string, charset string) error {
	var errs []error
	switch {
	case charset == "":
		h.charset = "; charset=utf-8"
	case charset == "none":
	case exchange.ValidName(charset): // a token, like a field name
		h.charset = "; charset=" + strings.ToLower(charset)
	default:
		errs = append(errs, fmt.Errorf("charset %q: not a token", charset))
	}
	for ext, value := range types {
		if len(ext) < 2 || ext[0] != '.' || strings.ContainsAny(ext[1:], "./\\") {
			errs = append(errs, fmt.Errorf("type of %q: not an extension such as %q", ext, ".md"))
		}
		if _, _, err := mime.ParseMediaType(value); err != nil || !exchange.ValidValue(value) || !strings.Contains(value, "/") {
			errs = append(errs, fmt.Errorf("type %q of %q: not a media type", value, ext))
		}
		h.types[strings.ToLower(ext)] = value
	}
	return errors.Join(errs...)
}
