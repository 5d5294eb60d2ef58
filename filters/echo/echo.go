// Package echo is the bundled filter that answers with what it was asked, for trying
// things out.
package echo

import (
	"io"
	"strings"

	"github.com/weirproxy/weir/sdk/weir"
)

// New reads
//
//	body: false      # answer with the request's body alone, as it is
//	status: 200
//	header: {name: value}
//
// Otherwise the answer is the request as text: its first line, its header, its body. What
// others have sent must not run as a page here: the answer says so (CSP: sandbox).
func New(c *weir.Config) (weir.Filter, error) {
	e := echo{status: c.Int("status", 200), bare: c.Bool("body", false), fields: c.Fields("header")}
	if e.status < 200 || e.status > 599 {
		c.Fail("status", "is none of an answer, 200 to 599")
	}
	return e.answer, nil
}

type echo struct {
	status int
	bare   bool
	fields []weir.Field
}

func (e *echo) answer(r *weir.Request, _ weir.Next) (*weir.Response, error) {
	r.Body.Take()
	kind := "text/plain; charset=utf-8"
	if t := r.Header.Get("content-type"); e.bare && t != "" {
		kind = t
	}
	fields := append([]weir.Field(nil), e.fields...)
	for _, f := range [...]weir.Field{{Name: "content-type", Value: kind}, {Name: "content-security-policy", Value: "sandbox"}, {Name: "x-content-type-options", Value: "nosniff"}} {
		if !has(e.fields, f.Name) {
			fields = append(fields, f)
		}
	}
	w, err := r.Respond(e.status, fields...)
	if err != nil {
		return nil, err
	}
	if !e.bare {
		var text strings.Builder
		text.WriteString(r.Method() + " " + r.Path() + "\nhost: " + r.Authority() + "\n")
		for name, value := range r.Header.All() {
			text.WriteString(name + ": " + value + "\n")
		}
		if _, err := w.WriteString(text.String() + "\n"); err != nil {
			return nil, err
		}
	}
	for {
		b, err := r.Body.Chunk()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(b); err != nil {
			return nil, err
		}
	}
}

func has(fields []weir.Field, name string) bool {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}
