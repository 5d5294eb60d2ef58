package static

import (
	_ "embed" // for the style sheet
	"encoding/json"
	"html"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed listing.css
var listingStyle string

// icons are drawn once and referred to: a page of 10,000 rows stays small.
const icons = `<svg class="defs" aria-hidden="true">` +
	`<symbol id="d" viewBox="0 0 24 24"><path d="M3 6.8A1.8 1.8 0 0 1 4.8 5h4.3a1.8 1.8 0 0 1 1.3.6l1.3 1.4h7.5A1.8 1.8 0 0 1 21 8.8v8.4a1.8 1.8 0 0 1-1.8 1.8H4.8A1.8 1.8 0 0 1 3 17.2z"/></symbol>` +
	`<symbol id="u" viewBox="0 0 24 24"><path d="M9 14 4.5 9.5 9 5M4.5 9.5H15a4.5 4.5 0 0 1 4.5 4.5v5"/></symbol>` +
	`<symbol id="f" viewBox="0 0 24 24"><path d="M13.5 3H7a1.8 1.8 0 0 0-1.8 1.8v14.4A1.8 1.8 0 0 0 7 21h10a1.8 1.8 0 0 0 1.8-1.8V8.3zM13.5 3v5.3h5.3"/></symbol>` +
	`<symbol id="t" viewBox="0 0 24 24"><path d="M13.5 3H7a1.8 1.8 0 0 0-1.8 1.8v14.4A1.8 1.8 0 0 0 7 21h10a1.8 1.8 0 0 0 1.8-1.8V8.3zM13.5 3v5.3h5.3M8.5 12.5h7M8.5 16h5"/></symbol>` +
	`<symbol id="c" viewBox="0 0 24 24"><path d="m8.5 7.5-5 4.5 5 4.5M15.5 7.5l5 4.5-5 4.5M13.5 5l-3 14"/></symbol>` +
	`<symbol id="i" viewBox="0 0 24 24"><rect x="3.5" y="4.5" width="17" height="15" rx="2"/><circle cx="9" cy="10" r="1.6"/><path d="m4 17 4.5-4 3.5 3 3.5-3.5 4.5 4.5"/></symbol>` +
	`<symbol id="m" viewBox="0 0 24 24"><rect x="3.5" y="4.5" width="17" height="15" rx="2"/><path d="m10 9 5 3-5 3z"/></symbol>` +
	`<symbol id="z" viewBox="0 0 24 24"><path d="M4 8h16v10.2a1.8 1.8 0 0 1-1.8 1.8H5.8A1.8 1.8 0 0 1 4 18.2zM3 4.5h18V8H3zM10 12h4"/></symbol></svg>`

// html shows p as a page that needs nothing but itself.
func (p *page) html() []byte {
	b := make([]byte, 0, len(listingStyle)+len(icons)+2048+360*len(p.items))
	title := html.EscapeString(printable(p.path))
	b = append(b, `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><title>`...)
	b = append(append(b, title...), `</title><style>`...)
	b = append(append(b, listingStyle...), `</style></head><body>`+icons+`<main><header><h1>`...)
	b = p.crumbs(b)
	b = append(b, `</h1><p>`...)
	b = append(append(b, p.summary()...), `</p></header><div class="card">`...)
	if len(p.items) == 0 && p.path == "/" {
		b = append(b, `<p class="note">This folder is empty.</p>`...)
	} else {
		b = append(b, `<table><thead><tr>`...)
		b = p.column(b, "name", "n", "Name")
		b = p.column(b, "size", "s", "Size")
		b = p.column(b, "time", "t", "Modified")
		b = append(b, `</tr></thead><tbody>`...)
		if p.path != "/" {
			b = append(b, `<tr><td><a href="../"><svg aria-hidden="true"><use href="#u"/></svg><span>Parent folder</span></a></td><td class="s"></td><td class="t"></td></tr>`...)
		}
		for i := range p.items {
			b = p.items[i].row(b)
		}
		b = append(b, `</tbody></table>`...)
	}
	if p.cut {
		b = append(b, `<p class="cut">Only `+strconv.Itoa(maxListed)+` entries are shown; there are more.</p>`...)
	}
	return append(b, `</div></main><footer>Times are UTC.</footer></body></html>`...)
}

// crumbs links every directory on the way. Links are relative, since a proxy in
// front may know the directory by another path.
func (p *page) crumbs(b []byte) []byte {
	elements := strings.Split(strings.Trim(p.path, "/"), "/")
	if p.path == "/" {
		return append(b, "Files"...)
	}
	b = append(append(append(b, `<a href="`...), strings.Repeat("../", len(elements))...), `">Files</a>`...)
	for i, e := range elements {
		b = append(b, `<i>/</i>`...)
		name := html.EscapeString(printable(e))
		if up := len(elements) - 1 - i; up > 0 {
			b = append(append(append(b, `<a href="`...), strings.Repeat("../", up)...), `">`...)
			b = append(append(b, name...), `</a>`...)
		} else {
			b = append(b, name...)
		}
	}
	return b
}

// column is a head that sorts by its column, or turns the order where it does already.
func (p *page) column(b []byte, by, class, title string) []byte {
	b = append(append(append(b, `<th scope="col" class="`...), class...), '"')
	order := "asc"
	if p.sort == by {
		state := "ascending"
		if p.desc {
			state = "descending"
		} else {
			order = "desc"
		}
		b = append(append(append(b, ` aria-sort="`...), state...), '"')
	}
	b = append(append(b, `><a href="?sort=`...), by...)
	b = append(append(b, `&amp;order=`...), order...)
	return append(append(append(b, `">`...), title...), `</a></th>`...)
}

func (it *item) row(b []byte) []byte {
	icon := it.icon()
	b = append(append(append(b, `<tr class="`...), icon...), `"><td><a href="`...)
	b = append(append(b, it.link()...), `"><svg aria-hidden="true"><use href="#`...)
	b = append(append(b, icon...), `"/></svg><span>`...)
	b = append(append(b, html.EscapeString(printable(it.name))...), `</span></a></td><td class="s">`...)
	if !it.dir {
		b = append(b, humanSize(it.size)...)
	}
	b = append(b, `</td><td class="t"><time datetime="`...)
	b = append(it.time.AppendFormat(b, time.RFC3339), `">`...)
	return append(it.time.AppendFormat(b, "2 Jan 2006, 15:04"), `</time></td></tr>`...)
}

// link is the item's URL, relative to its directory's.
func (it *item) link() string {
	if it.dir {
		return escape(it.name) + "/"
	}
	return escape(it.name)
}

func (it *item) icon() string {
	if it.dir {
		return "d"
	}
	ext := lower(path.Ext(it.name))
	kind := plainTypes[ext] + packedTypes[ext]
	switch {
	case strings.HasPrefix(kind, "image/"):
		return "i"
	case strings.HasPrefix(kind, "video/"), strings.HasPrefix(kind, "audio/"):
		return "m"
	}
	switch ext {
	case ".zip", ".gz", ".tgz", ".xz", ".zst", ".br", ".bz2", ".7z", ".rar", ".tar", ".deb", ".rpm", ".jar", ".whl":
		return "z"
	case ".c", ".cc", ".cpp", ".css", ".go", ".h", ".html", ".java", ".js", ".json", ".mjs", ".py", ".rb", ".rs",
		".sh", ".sql", ".toml", ".tsx", ".wasm", ".wat", ".xml", ".yaml", ".yml":
		return "c"
	case ".txt", ".md", ".log", ".csv", ".pdf", ".rst", ".doc", ".docx", ".odt", ".rtf", ".conf", ".ini":
		return "t"
	}
	return "f"
}

// summary counts: "2 folders, 5 files, 1.2 MiB".
func (p *page) summary() string {
	var dirs, files int
	var size int64
	for i := range p.items {
		if p.items[i].dir {
			dirs++
		} else {
			files++
			size += p.items[i].size
		}
	}
	var parts []string
	if dirs > 0 {
		parts = append(parts, count(dirs, "folder"))
	}
	if files > 0 || dirs == 0 {
		parts = append(parts, count(files, "file"))
	}
	if files > 0 {
		parts = append(parts, humanSize(size))
	}
	return strings.Join(parts, " · ")
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

func humanSize(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	x, unit := float64(n)/1024, 0
	for x >= 999.5 && unit < 5 {
		x, unit = x/1024, unit+1
	}
	digits := 0
	if x < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(x, 'f', digits, 64) + " " + string("KMGTPE"[unit]) + "iB"
}

// printable makes a name fit to be shown: a control character could drive a
// terminal, one of those that turn the direction of text could make a name look
// like another.
func printable(name string) string {
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return utf8.RuneError
		}
		return c
	}, name)
}

// text shows p for reading in a terminal; the name comes last for programs.
func (p *page) text() []byte {
	var b []byte
	for i := range p.items {
		it := &p.items[i]
		size, slash := "-", "/"
		if !it.dir {
			size, slash = strconv.FormatInt(it.size, 10), ""
		}
		b = it.time.AppendFormat(b, "2006-01-02 15:04  ")
		for range 12 - len(size) {
			b = append(b, ' ')
		}
		b = append(append(append(b, size...), "  "...), printable(it.name)...)
		b = append(append(b, slash...), '\n')
	}
	return b
}

// json shows p for programs.
func (p *page) json() []byte {
	type entry struct {
		Name string `json:"name"`
		Type string `json:"type"`
		Size int64  `json:"size"`
		Time string `json:"mtime"`
		URL  string `json:"url"`
	}
	all := make([]entry, len(p.items))
	for i := range p.items {
		it := &p.items[i]
		all[i] = entry{it.name, "file", it.size, it.time.Format(time.RFC3339), it.link()}
		if it.dir {
			all[i].Type = "dir"
		}
	}
	b, _ := json.Marshal(all) // strings and numbers cannot fail
	return append(b, '\n')
}
