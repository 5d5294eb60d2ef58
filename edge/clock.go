package edge

import (
	"net/http"
	"time"
)

// stamp is the Date field of one second.
type stamp struct {
	second int64
	text   string
}

// date returns the Date field for t (RFC 9110 §6.6.1), formatted once a second.
func (s *Server) date(t time.Time) string {
	second := t.Unix()
	if d := s.stamp.Load(); d != nil && d.second == second {
		return d.text
	}
	d := &stamp{second, t.UTC().Format(http.TimeFormat)}
	s.stamp.Store(d)
	return d.text
}
