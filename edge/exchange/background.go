package exchange

import (
	"context"
	"errors"
)

// NewBackground returns a copy of r that no client waits for: its Context is ctx, it
// has no body, interim responses go nowhere. What is asked by it may go on after r's
// exchange is over. It is for handlers that revalidate, mirror or fetch ahead; they
// read and close the response themselves.
func NewBackground(ctx context.Context, r *Request) *Request {
	b := &Request{
		Method: r.Method, Scheme: r.Scheme, Authority: r.Authority, Host: r.Host,
		Target: r.Target, Path: r.Path, Query: r.Query, Opaque: r.Opaque, Proto: r.Proto,
		Body: NoBody, Conn: r.Conn, Client: r.Client, Trusted: r.Trusted,
		Record: Record{Number: r.Record.Number, Start: r.Record.Start, Site: r.Record.Site, Route: r.Record.Route},
		stream: &background{caller{ctx: ctx}},
	}
	b.Header.CopyFrom(&r.Header)
	b.Match = r.Match
	b.Match.Params = append([]Param(nil), r.Match.Params...)
	return b
}

// background is the stream of a request that no client made.
type background struct{ caller }

var errBackground = errors.New("respond: nobody waits for this response")

func (s *background) Context() context.Context          { return s.ctx }
func (s *background) Respond(*Request, *Response) error { return errBackground }
