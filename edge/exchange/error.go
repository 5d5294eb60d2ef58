package exchange

import (
	"errors"
	"fmt"
	"net/http"
)

// Fault says who is to blame for an error.
type Fault uint8

// The four sides of an exchange. The zero Fault is weir itself.
const (
	Internal Fault = iota
	Client
	Upstream
	Plugin
)

// String returns the word that logs use.
func (f Fault) String() string {
	return [...]string{"internal", "client", "upstream", "plugin"}[f&3]
}

// Error is an error that knows whose fault it is and, where the fault alone does
// not decide it, which status it deserves. The edge turns errors into responses;
// the client learns the status, the log learns the rest.
type Error struct {
	Fault  Fault
	Status int     // 0: the default of the fault
	Title  string  // short and safe for the client, instead of the status phrase; may be ""
	Type   string  // a slug for problem+json and clients' programs: "missing-argument"; may be ""
	Fields []Field // extra fields of the response: Allow, Retry-After, WWW-Authenticate
	Err    error   // the cause, for the log; may be nil
}

// Error implements error. It is for the log, which has the status besides: that is
// told only where nothing else is.
func (e *Error) Error() string {
	switch {
	case e.Err != nil && e.Title != "":
		return e.Title + ": " + e.Err.Error()
	case e.Err != nil:
		return e.Err.Error()
	case e.Title != "":
		return e.Title
	case e.Status != 0:
		return fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	}
	return e.Fault.String() + " fault"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Reason makes an Error for the client's fault from a constant reason.
func Reason(status int, reason string) *Error {
	return &Error{Fault: Client, Status: status, Err: errors.New(reason)}
}

// ErrNotFound says that nothing is there. Handlers return it as it is.
var ErrNotFound error = &Error{Fault: Client, Status: http.StatusNotFound}

// ErrClientGone says that the client went away before the exchange was over.
// It is logged as 499; nothing is sent.
var ErrClientGone = errors.New("client went away")

// ErrUnsent wraps an error of Stream.Respond before the first byte was sent, so
// that another response may still be tried.
var ErrUnsent = errors.New("response not sent")

var errLength = errors.New("body longer than announced")
