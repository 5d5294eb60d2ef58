// Package board is a notice board for the people along a river: an ordinary application
// of net/http's, which knows nothing of where it runs.
package board

import (
	"embed"
	"fmt"
	"hash/fnv"
	"html/template"
	"io/fs"
	"log"
	"net/http"
	"time"
)

//go:embed static
var static embed.FS

//go:embed pages
var pages embed.FS

// Options are what a board is told. Its zero value is of use.
type Options struct {
	// Gauge is the URL of a service that says how high the water is; "": nobody does.
	Gauge string
	// Client asks it; nil is http.DefaultClient.
	Client *http.Client
	// Log hears of every request; nil: nobody does.
	Log *log.Logger
}

// Board is the application.
type Board struct {
	http.Handler
	options  Options
	notices  notices
	files    files
	sessions sessions
	events   broker
	pages    *template.Template
	asked    counter
}

// New returns a board with one notice on it.
func New(o Options) *Board {
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	b := &Board{options: o, pages: template.Must(template.ParseFS(pages, "pages/*.html"))}
	b.notices.add(Notice{By: "the keeper", Text: "The water is high today."})
	b.Handler = b.around(b.routes())
	return b
}

func (b *Board) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.index)
	mux.HandleFunc("GET /notices/{id}", b.page)
	mux.HandleFunc("POST /notices", b.post)
	mux.HandleFunc("POST /notices/{id}/remove", b.remove)
	mux.HandleFunc("GET /login", b.loginPage)
	mux.HandleFunc("POST /login", b.login)
	mux.HandleFunc("POST /logout", b.logout)

	mux.Handle("GET /static/", assets())
	mux.Handle("GET /favicon.ico", http.RedirectHandler("/static/drop.svg", http.StatusMovedPermanently))
	mux.HandleFunc("GET /go/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "../notices/"+r.PathValue("rest"), http.StatusFound)
	})

	mux.Handle("POST /files", http.MaxBytesHandler(http.HandlerFunc(b.upload), mostUpload))
	mux.HandleFunc("GET /files/{name}", b.download)
	mux.HandleFunc("POST /digest", b.digest)
	mux.HandleFunc("POST /echo", b.echo)

	mux.HandleFunc("GET /api/notices", b.list)
	mux.HandleFunc("POST /api/notices", b.create)
	mux.HandleFunc("GET /api/notices/{id}", b.get)
	mux.HandleFunc("PUT /api/notices/{id}", b.change)
	mux.HandleFunc("DELETE /api/notices/{id}", b.erase)
	mux.HandleFunc("OPTIONS /api/", options)

	mux.HandleFunc("GET /events", b.stream)
	mux.HandleFunc("GET /count/{n}", count)
	mux.HandleFunc("GET /report", b.report)
	mux.HandleFunc("GET /gauge", b.gauge)
	mux.Handle("GET /slow", http.TimeoutHandler(http.HandlerFunc(slow), time.Second, "That took too long.\n"))
	mux.HandleFunc("GET /broken", func(http.ResponseWriter, *http.Request) { panic("a plank is missing") })
	mux.HandleFunc("GET /stats", b.stats)
	return mux
}

// assets serves the files in static, each with a tag of what is in it: they have no time.
func assets() http.Handler {
	tags := map[string]string{}
	_ = fs.WalkDir(static, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			content, _ := static.ReadFile(name)
			sum := fnv.New64a()
			sum.Write(content)
			tags["/"+name] = fmt.Sprintf("%q", fmt.Sprintf("%x", sum.Sum64()))
		}
		return err
	})
	server := http.FileServerFS(static)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tag := tags[r.URL.Path]; tag != "" {
			w.Header().Set("ETag", tag)
			w.Header().Set("Cache-Control", "max-age=60")
		}
		server.ServeHTTP(w, r)
	})
}
