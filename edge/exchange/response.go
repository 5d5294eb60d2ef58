package exchange

// Response is the answer to a request. Content-Length and the framing of the
// body are the protocol's business: handlers say what they know by Body.Len.
type Response struct {
	Status int
	Header Header
	Body   Body // never nil
	// Trailer is read when Body has returned io.EOF; it may be filled until then.
	Trailer Header
	// Tunnel is set with status 101 and no other: the upstream's end of a connection
	// that has switched to the protocol that Request.Upgrade names. Whoever drops the
	// response closes it.
	Tunnel Tunnel

	bytes  Bytes
	file   File
	follow followed
}

// SetBytes makes b the body. b must not change until the body has been closed.
func (r *Response) SetBytes(b []byte) { r.SetShared(b, nil) }

// SetShared is SetBytes; release is called once when the body is closed, nil if there
// is nothing to do.
func (r *Response) SetShared(b []byte, release func()) {
	r.bytes = Bytes{b, release}
	r.Body = &r.bytes
}

// SetFile makes a range of an open file the body. See File for release.
func (r *Response) SetFile(f File) {
	r.file = f
	r.Body = &r.file
}

func (r *Response) reset() {
	r.Header.Reset()
	r.Trailer.Reset()
	r.Status, r.Body, r.Tunnel, r.bytes, r.file, r.follow = 0, nil, nil, Bytes{}, File{}, followed{}
}
