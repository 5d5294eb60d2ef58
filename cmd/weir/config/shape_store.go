package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillStore(_ *reader, s *Store) {
	*s = Store{Prefix: "weir", Timeout: 2 * time.Second, Lease: 30 * time.Second}
}

var storeShort = inside(storeURL, func(s *Store) *string { return &s.URL })

var storeShape = object[Store]{
	name: "store", doc: "What the nodes of one installation share: certificates, and locks while they are worked on.", short: &storeShort,
	pos: func(s *Store) *Pos { return &s.Pos }, fill: fillStore,
	fields: []field[Store]{
		at("url", "Where it is: ./weir.db (SQLite, for one machine), redis://host:6379/0, rediss:// (with TLS), postgres://host/name. Default: weir.db in the data directory.", storeURL, func(s *Store) *string { return &s.URL }),
		at("password", "Password of the user in url, best as {file: path}.", secret(checkSecretText), func(s *Store) *string { return &s.Password }),
		quiet(at("prefix", "Parts several installations of weir in one server.", text("a name", checkStorePrefix), func(s *Store) *string { return &s.Prefix })),
		at("timeout", "How long one operation may take.", between(50*time.Millisecond, 30*time.Second, ""), func(s *Store) *time.Duration { return &s.Timeout }),
		at("lease", "How long the lock of a node lasts that says nothing any more.", between(3*time.Second, 10*time.Minute, ""), func(s *Store) *time.Duration { return &s.Lease }),
		at("encryption_key", "Encrypts what certificates keep: {file: path} of a file with 32 bytes, plain or in hex or base64. Of several, the first encrypts; the others read what is there already.", list(storeKey), func(s *Store) *[]StoreKey { return &s.Keys }),
		quiet(at("local_copy", "Keep a copy of certificates in the data directory, for the time when the store cannot be reached. Default: true for a server.", boolean, func(s *Store) *bool { return &s.LocalCopy })),
	},
	after: checkStore,
}.shape()

// checkStore refuses what has no meaning for the engine.
func checkStore(r *reader, n *yaml.Node, s *Store) {
	server := s.Engine() != "sqlite"
	if n.Kind != yaml.MappingNode {
		s.LocalCopy = server
		return
	}
	written, _ := entry(n, "local_copy")
	password, _ := entry(n, "password")
	switch {
	case written == nil:
		s.LocalCopy = server
	case !server && s.LocalCopy:
		r.fail(written, "remove it", "a store that is a file is kept on this machine anyway")
	}
	if k, _ := entry(n, "prefix"); k != nil && !server {
		r.warn(k, "remove it; another installation has another file", "a prefix has no meaning for a store that is a file")
	}
	switch u, err := url.Parse(s.URL); {
	case password == nil:
	case !server:
		r.fail(password, "remove it, or give the address of a server as url:", "a store that is a file has no password")
	case err == nil && hasPassword(u):
		r.fail(password, "take it out of the URL", "url has a password already")
	}
}

func hasPassword(u *url.URL) bool {
	password, _ := u.User.Password() // of nobody, it is empty
	return password != ""
}

func checkStorePrefix(s string) error {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' && c != '-' && (c != '.' || i == 0) {
			return &problem{strconv.Quote(short(s)) + " is no prefix", "a prefix is of letters, digits, _, - and dots"}
		}
	}
	if len(s) > 64 {
		return errors.New("a prefix has 64 characters at most")
	}
	return nil
}

func checkSecretText(s string) error {
	if strings.ContainsAny(s, "\x00\r\n") {
		return &problem{"a secret of several lines", "it is one line, or {file: path} of a file with one line"}
	}
	return nil
}

var storeLink = link("a path such as ./weir.db, or redis://host:6379/0 or postgres://host/name", parseStore)

var storeFile = content(anyText)

// storeURL is a path, a URL, or {file: path} of a file that holds one.
var storeURL = shape[string]{
	read: func(r *reader, n *yaml.Node, v *string) {
		before := len(r.errs)
		if n.Kind != yaml.MappingNode {
			storeLink.read(r, n, v)
		} else if storeFile.read(r, n, v); len(r.errs) == before {
			url, err := parseStore(*v)
			if *v = url; err != nil {
				r.failValue(n, err)
			}
		}
		if len(r.errs) > before {
			return
		}
		if path, ok := strings.CutPrefix(*v, "sqlite:"); ok {
			if !filepath.IsAbs(path) {
				*v = "sqlite:" + filepath.Join(r.options.Dir, path)
				r.symbols[v] = n
			}
			return
		}
		if shown := r.symbols[v]; n.Kind == yaml.ScalarNode && shown != nil && shown.Value != n.Value {
			r.warn(n, "write password: {file: path}, or ${VAR} in its place", "a password that everybody can read who can read this file")
		}
	},
	print:  storeLink.print,
	schema: func(d *definitions) schema { return anyOf(storeLink.schema(d), d.file()) },
}

var storeSchemes = []string{"sqlite", "redis", "rediss", "postgres", "postgresql"}

// foreignStores are schemes and words that users bring along, and what to write instead.
var foreignStores = map[string]string{
	"redis": "write redis://127.0.0.1:6379/0", "rediss": "write rediss://host:6379/0", "valkey": "write redis://127.0.0.1:6379/0", "valkeys": "write rediss://host:6379/0", "keydb": "write redis://127.0.0.1:6379/0",
	"postgres": "write postgres://user@host/name", "postgresql": "write postgres://user@host/name", "pgx": "write postgres://user@host/name",
	"sqlite": "write sqlite:./weir.db, or leave store out", "sqlite3": "write sqlite:./weir.db", "file": "write the path alone, or sqlite:/path", "file_system": "write the path of a file, or leave store out",
	"memory": "weir keeps its certificates; leave store out", "off": "weir keeps its certificates; leave store out", "none": "weir keeps its certificates; leave store out", "false": "weir keeps its certificates; leave store out", "true": "leave store out, or write a path", "auto": "leave store out",
	"mysql": "the stores are SQLite, Redis and PostgreSQL", "etcd": "the stores are SQLite, Redis and PostgreSQL", "consul": "the stores are SQLite, Redis and PostgreSQL", "s3": "the stores are SQLite, Redis and PostgreSQL", "mongodb": "the stores are SQLite, Redis and PostgreSQL", "vault": "the stores are SQLite, Redis and PostgreSQL", "http": "the stores are SQLite, Redis and PostgreSQL", "https": "the stores are SQLite, Redis and PostgreSQL",
}

// parseStore gives "sqlite:path" or the URL of a server.
func parseStore(s string) (string, error) {
	scheme, rest, written := strings.Cut(s, ":")
	word := lower(scheme)
	_, err := strconv.ParseUint(rest, 10, 16)
	switch {
	case written && err == nil && !strings.ContainsAny(scheme, "/"):
		hint := "write redis://" + short(s)
		if rest == "5432" {
			hint = "write postgres://" + short(s) + "/name"
		}
		return "", &problem{strconv.Quote(short(s)) + " is an address without the kind of store", hint}
	case !written && foreignStores[word] != "":
		return "", &problem{strconv.Quote(s) + " is no place", foreignStores[word]}
	case !written || strings.ContainsAny(scheme, "/.") || scheme == "":
		return parseStorePath(s)
	case word == "sqlite":
		return parseStorePath(rest)
	case word == "redis" || word == "rediss":
		return parseServer(word, rest, checkRedis)
	case word == "postgres" || word == "postgresql":
		return parseServer(word, rest, checkPostgres)
	}
	p := &problem{strconv.Quote(short(scheme)) + " is no kind of store", foreignStores[word]}
	if near := nearest(scheme, storeSchemes); p.hint == "" && near != "" {
		p.hint = "did you mean " + near + "?"
	} else if p.hint == "" {
		p.hint = "write a path, redis://host:6379/0 or postgres://host/name; a path with a colon begins with ./"
	}
	return "", p
}

func parseStorePath(s string) (string, error) {
	switch {
	case strings.HasPrefix(s, "//"):
		return "", &problem{"this is no URL of a file", "write sqlite:" + "/" + short(strings.TrimLeft(s, "/"))}
	case s == ":memory:":
		return "", &problem{"a store in memory keeps nothing", foreignStores["memory"]}
	case s == "":
		return "", &problem{"want a path, got an empty text", "write ./weir.db"}
	case strings.HasSuffix(s, "/") || s == "." || s == "..":
		return "", &problem{strconv.Quote(short(s)) + " is a directory", "write a file in it: " + short(strings.TrimSuffix(s, "/")) + "/weir.db"}
	}
	return "sqlite:" + s, checkPrintable(s)
}

// parseServer takes what follows the scheme of a server. Errors of url.Parse are not
// shown, as they hold all of the URL.
func parseServer(scheme, rest string, check func(*url.URL) error) (string, error) {
	u, err := url.Parse(scheme + ":" + rest)
	switch {
	case !strings.HasPrefix(rest, "//") || err != nil && strings.Contains(rest, " "):
		return "", &problem{"this is no URL of a server", foreignStores[scheme]}
	case err != nil:
		return "", &problem{"this is no URL of a server", `in a password, write %2F for /, %40 for @ and %23 for #, or give it as password: {file: path}`}
	case u.Fragment != "":
		return "", &problem{"a URL of a store has no #", `in a password, write %23`}
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || n == 0) {
		return "", errors.New("a port is a number from 1 to 65535, got " + strconv.Quote(short(u.Port())))
	}
	if err := check(u); err != nil {
		return "", err
	}
	return scheme + ":" + rest, checkPrintable(rest)
}

func checkRedis(u *url.URL) error {
	if u.Hostname() == "" {
		return &problem{"the host is missing", foreignStores[u.Scheme]}
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		if n, err := strconv.ParseUint(db, 10, 16); err != nil || strconv.FormatUint(n, 10) != db {
			return &problem{"the path of a Redis URL is the number of a database, got " + strconv.Quote(short(u.Path)), "write " + u.Scheme + "://" + u.Host + "/0, and prefix: to part installations"}
		}
	}
	return nil
}

func checkPostgres(u *url.URL) error {
	if u.Hostname() == "" && u.Query().Get("host") == "" {
		return &problem{"the host is missing", "write postgres://user@host/name, or postgres:///name?host=/run/postgresql for a socket"}
	}
	if strings.Count(strings.Trim(u.Path, "/"), "/") > 0 {
		return errors.New("the path of a PostgreSQL URL is the name of a database, got " + strconv.Quote(short(u.Path)))
	}
	return nil
}

const keyForms = "make one with: openssl rand -base64 32"

// storeKey is a key that stands elsewhere: in the file it would be no secret, and could
// not be shown again by the normal form.
var storeKey = shape[StoreKey]{
	read: func(r *reader, n *yaml.Node, v *StoreKey) {
		v.Pos = r.here
		var raw string
		switch {
		case n.Kind == yaml.MappingNode:
			b, ok := r.fileContent(n, place("the path of a file"))
			if !ok {
				return
			}
			raw = string(b)
		default:
			s, symbolic, ok := r.text(n, "{file: path} of a key")
			if !ok {
				return
			}
			if !symbolic {
				r.fail(n, "write {file: path}, or ${VAR}", "a key does not stand in a configuration")
				return
			}
			raw = s
		}
		key, err := parseKey(raw)
		if err != nil {
			r.failValue(n, err)
			return
		}
		v.Bytes, r.symbols[&v.Bytes] = key, n
	},
	print: func(p *printer, v *StoreKey) *yaml.Node { return p.symbol(&v.Bytes) },
	schema: func(d *definitions) schema {
		return anyOf(d.file(), schema{"type": "string", "pattern": `\$\{`})
	},
}

// parseKey takes what storage.ReadKey takes, 32 to 64 bytes in hex or base64, and 32
// bytes as they are, with or without a line end; of any longer text, its SHA-256.
func parseKey(raw string) ([]byte, error) {
	if len(raw) == 32 {
		return []byte(raw), nil
	}
	text := strings.TrimSpace(raw)
	if b, err := hex.DecodeString(text); err == nil && len(b) >= 32 && len(b) <= 64 {
		return b, nil
	}
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	if b, err := base64.RawStdEncoding.DecodeString(plain); err == nil && len(b) >= 32 && len(b) <= 64 {
		return b, nil
	}
	switch s := strings.TrimSuffix(strings.TrimSuffix(raw, "\n"), "\r"); {
	case len(s) < 32:
		return nil, &problem{"a key has 32 bytes at least, this one has " + strconv.Itoa(len(s)), keyForms}
	case len(s) == 32:
		return []byte(s), nil
	default:
		sum := sha256.Sum256([]byte(s))
		return sum[:], nil
	}
}
