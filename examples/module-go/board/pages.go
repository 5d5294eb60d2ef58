package board

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// render answers with a page, once that is made.
func (b *Board) render(w http.ResponseWriter, status int, page string, data any) {
	var text bytes.Buffer
	if err := b.pages.ExecuteTemplate(&text, page, data); err != nil {
		http.Error(w, "The page cannot be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = text.WriteTo(w)
}

func (b *Board) index(w http.ResponseWriter, r *http.Request) {
	b.render(w, http.StatusOK, "index.html", map[string]any{
		"Who": b.sessions.who(r), "Host": r.Host, "Notices": b.notices.list(), "Files": b.files.list(),
	})
}

// notice finds the one that the path names, or answers that there is none.
func (b *Board) notice(w http.ResponseWriter, r *http.Request) (Notice, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err == nil {
		var n Notice
		if n, err = b.notices.get(id); err == nil {
			return n, true
		}
	}
	http.Error(w, errNoNotice.Error(), http.StatusNotFound)
	return Notice{}, false
}

func (b *Board) page(w http.ResponseWriter, r *http.Request) {
	if n, ok := b.notice(w, r); ok {
		b.render(w, http.StatusOK, "notice.html", n)
	}
}

func (b *Board) post(w http.ResponseWriter, r *http.Request) {
	who := b.sessions.who(r)
	if who == "" {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	text := strings.TrimSpace(r.PostFormValue("text"))
	if text == "" {
		http.Error(w, "A notice says something.", http.StatusUnprocessableEntity)
		return
	}
	n := b.notices.add(Notice{By: who, Text: text})
	b.events.publish(event{"added", n})
	http.Redirect(w, r, "/notices/"+strconv.Itoa(n.ID), http.StatusSeeOther)
}

// remove takes a notice away for whoever has put it up.
func (b *Board) remove(w http.ResponseWriter, r *http.Request) {
	n, ok := b.notice(w, r)
	if !ok {
		return
	}
	if who := b.sessions.who(r); who == "" || who != n.By {
		http.Error(w, "It is somebody else's.", http.StatusForbidden)
		return
	}
	if _, err := b.notices.remove(n.ID); err == nil {
		b.events.publish(event{"removed", n})
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
