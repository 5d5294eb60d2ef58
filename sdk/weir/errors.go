package weir

import (
	"errors"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// What errors of this package are, for errors.Is.
var (
	ErrUnsupported = errors.New("not supported here")          // by this host: it is not weir
	ErrGone        = errors.New("the client has gone")         // or the request is over: nothing more can be waited for
	ErrNotFound    = errors.New("not found")                   // no entry of that key
	ErrConflict    = errors.New("somebody else was faster")    // the entry has not the version it should have
	ErrDenied      = errors.New("not granted")                 // see the plugin's grants
	ErrLate        = errors.New("too late")                    // what was to be changed has gone on
	ErrBusy        = errors.New("too much is under way")       // limits.calls
	ErrBroken      = errors.New("the upstream gave no answer") // or broke off
	ErrNoRequest   = errors.New("there is no request to wait") // called from a goroutine, or from init
)

// Error is what a host has refused, or failed with.
type Error struct {
	Op      string     // what was tried: "fetch users"
	Status  abi.Status // what the host said
	Message string     // and how it explained that, if it did

	kind error // what it is, where the status does not say
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Op
	if kind := e.Unwrap(); kind != nil {
		s += ": " + kind.Error()
	} else if e.Status != abi.OK {
		s += ": status " + itoa(int(e.Status))
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Unwrap returns what kind of error it is, one of this package's; nil: another.
func (e *Error) Unwrap() error {
	if e.kind != nil {
		return e.kind
	}
	switch e.Status {
	case abi.NotFound:
		return ErrNotFound
	case abi.CASMismatch:
		return ErrConflict
	case ext.Denied:
		return ErrDenied
	case abi.BrokenConnection:
		return ErrBroken
	case abi.Unimplemented:
		return ErrUnsupported
	}
	return nil
}

// failed makes an error of a status; nil of OK.
func failed(op string, st abi.Status) error {
	if st == abi.OK {
		return nil
	}
	return &Error{Op: op, Status: st}
}

func itoa(n int) string {
	if n < 0 {
		return "-" + itoa(-n)
	}
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}
