package board

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
)

const cookieName = "session"

// sessions are who is logged in, by what their cookies hold.
type sessions struct {
	mu    sync.Mutex
	names map[string]string
}

func (s *sessions) begin(name string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names = map[string]string{}
	}
	id = rand.Text()
	s.names[id] = name
	return id
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, id)
}

// who returns the name of who asks; "": nobody whom we know.
func (s *sessions) who(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[c.Value]
}

func (b *Board) loginPage(w http.ResponseWriter, r *http.Request) {
	b.render(w, http.StatusOK, "login.html", nil)
}

func (b *Board) login(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.FormValue("name"))
	if name == "" || len(name) > 40 {
		b.render(w, http.StatusUnprocessableEntity, "login.html", "A name has 1 to 40 letters.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: b.sessions.begin(name), Path: "/", MaxAge: 3600,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
	http.SetCookie(w, &http.Cookie{Name: "greeted", Value: "yes", Path: "/"})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (b *Board) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		b.sessions.end(c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
