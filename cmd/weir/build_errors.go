package main

import (
	"bytes"
	"strconv"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/reply"
)

// errorPages makes what a site or route shows for errors. Files are read now, so
// that a missing one is found now, and a broken disk later still has its page.
func (b *builder) errorPages(pages []config.ErrorPage) (all []edge.ErrorPage) {
	for i := range pages {
		p := &pages[i]
		from, to := p.Status, p.Status
		if p.Status < 10 {
			from, to = p.Status*100, p.Status*100+99
		}
		if page := b.errorPage(p); page != nil {
			all = append(all, edge.ErrorPage{From: from, To: to, Page: page})
		}
	}
	return all
}

func (b *builder) errorPage(p *config.ErrorPage) func(*exchange.Request, int) (*exchange.Response, error) {
	switch {
	case p.Redirect != nil:
		h, err := reply.NewRedirect(p.Redirect.To, p.Redirect.Status)
		if err != nil {
			b.fail(p.Redirect.Pos, p.Pos, err)
			return nil
		}
		return func(r *exchange.Request, _ int) (*exchange.Response, error) { return h.Handle(r) }
	case p.Respond != nil:
		return b.filled(p.Pos, []byte(p.Respond.Body), p.Respond.Type, fieldsOf(p.Respond.Headers)...)
	}
	body, mediaType, err := pageFile(p.File)
	if err != nil {
		b.fail(p.Pos, p.Pos, err)
		return nil
	}
	return b.filled(p.Pos, body, mediaType)
}

// filled answers with a text in which {status} and {id} are replaced: an error
// page is no use without the incident id that the log carries. Both are made by
// weir of letters and digits, so they are safe in any kind of text.
func (b *builder) filled(at config.Pos, body []byte, mediaType string, fields ...exchange.Field) func(*exchange.Request, int) (*exchange.Response, error) {
	h, err := reply.NewFixed(200, nil, mediaType, fields...)
	if err != nil {
		b.fail(at, b.c.Pos, err)
		return nil
	}
	return func(r *exchange.Request, status int) (*exchange.Response, error) {
		text := bytes.ReplaceAll(body, []byte("{status}"), []byte(strconv.Itoa(status)))
		text = bytes.ReplaceAll(text, []byte("{id}"), []byte(r.Record.ID()))
		resp, err := h.Handle(r)
		if err == nil {
			resp.Status = status
			resp.SetBytes(text)
		}
		return resp, err
	}
}
