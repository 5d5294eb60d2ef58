package proxywasm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// The statuses of gRPC that the host itself gives.
const (
	grpcUnknown          = 2
	grpcDeadlineExceeded = 4
	grpcExhausted        = 8
	grpcInternal         = 13
	grpcUnavailable      = 14
)

// frameHead is the length of what stands before every message: whether it is compressed, and its length.
const frameHead = 5

func appendFrame(b, message []byte) []byte {
	b = append(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	return append(b, message...)
}

// outcome is how a gRPC call ended.
type outcome struct {
	code    uint32
	message string
}

func (o outcome) Error() string { return o.message }

func ended(code uint32, format string, args ...any) error {
	return outcome{code, fmt.Sprintf(format, args...)}
}

// converse makes a gRPC call and brings the guest what comes of it. It is a goroutine of
// its own, as run is. Nobody reads on while the guest is told: that is what keeps an
// upstream from sending faster than the guest can hear.
func (o *callout) converse(up guest.Upstream, most int64) {
	defer o.end()
	if f := o.rpc.feed; f != nil {
		defer f.Close()
	}
	if err := up.Do(&o.call, &o.resp); err != nil {
		o.over(o.outcome(err))
		return
	}
	defer o.resp.Body.Close()
	last, err := o.receive(most)
	if err != nil {
		o.over(o.outcome(err))
		return
	}
	trailer := &o.resp.Trailer
	if o.resp.Header.Has("grpc-status") {
		trailer = &o.resp.Header // there was nothing else
	}
	end := statusOf(trailer)
	if o.rpc.feed != nil {
		o.tell(func() { o.metadata(abi.GRPCTrailingMetadata, trailer) })
		o.over(end)
		return
	}
	switch {
	case end.code != 0:
		o.over(end)
	case last == nil:
		o.over(outcome{grpcInternal, "read answer: there is no message in it"})
	default:
		o.tell(func() {
			delete(o.rt.i.calls.out, o.token)
			o.message(last)
		})
	}
}

// receive reads messages until there are no more. Those of a stream it tells the guest,
// of a call it returns the only one.
func (o *callout) receive(most int64) ([]byte, error) {
	if err := o.accept(); err != nil {
		return nil, err
	}
	if o.rpc.feed != nil && !o.resp.Header.Has("grpc-status") {
		if !o.tell(func() { o.metadata(abi.GRPCInitialMetadata, &o.resp.Header) }) {
			return nil, errCanceled
		}
	}
	var last []byte
	for {
		message, err := o.next(most)
		switch {
		case err == io.EOF:
			return last, nil
		case err != nil:
			return nil, err
		case o.rpc.feed != nil:
			if !o.tell(func() { o.message(message) }) {
				return nil, errCanceled
			}
		case last != nil:
			return nil, ended(grpcInternal, "read answer: there are several messages in it")
		default:
			last = message
		}
	}
}

// accept looks at the head of the answer.
func (o *callout) accept() error {
	if s := o.resp.Status; s != http.StatusOK {
		return ended(uint32(grpcStatus(s)), "read answer: its status is %d", s)
	}
	if t := o.resp.Header.Get("content-type"); !strings.HasPrefix(t, "application/grpc") {
		return ended(grpcUnknown, "read answer: its type is %q", t)
	}
	return nil
}

// next reads a message; io.EOF says that there was none left.
func (o *callout) next(most int64) ([]byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(o.resp.Body, head[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = fmt.Errorf("read message: %w", err)
		}
		return nil, err
	}
	if head[0] != 0 {
		return nil, ended(grpcInternal, "read message: it is compressed, which nobody asked for")
	}
	size := binary.BigEndian.Uint32(head[1:])
	if int64(size) > most {
		return nil, ended(grpcExhausted, "read message: %d bytes are more than %d", size, most)
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(o.resp.Body, message); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return message, nil
}

// statusOf reads how the upstream says that it ended.
func statusOf(h *exchange.Header) outcome {
	text, ok := h.Lookup("grpc-status")
	if !ok {
		return outcome{grpcUnknown, "read answer: there is no grpc-status in it"}
	}
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return outcome{grpcUnknown, "read answer: bad grpc-status"}
	}
	return outcome{uint32(code), unescape(h.Get("grpc-message"))}
}

// unescape decodes percent escapes; what is none stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for k := 0; k < len(s); k++ {
		if s[k] == '%' && k+2 < len(s) {
			if n, err := strconv.ParseUint(s[k+1:k+3], 16, 8); err == nil {
				b = append(b, byte(n))
				k += 2
				continue
			}
		}
		b = append(b, s[k])
	}
	return string(b)
}

// outcome is what an error means in gRPC's terms.
func (o *callout) outcome(err error) outcome {
	if end, ok := errors.AsType[outcome](err); ok {
		return end
	}
	code := uint32(grpcUnavailable)
	e, ok := errors.AsType[*exchange.Error](err)
	if ok && e.Status == http.StatusGatewayTimeout || !o.call.Deadline.IsZero() && time.Now().After(o.call.Deadline) {
		code = grpcDeadlineExceeded
	}
	return outcome{code, err.Error()}
}

// tell calls the guest, unless it has cancelled the call or is gone.
func (o *callout) tell(f func()) (told bool) {
	o.visit(func() {
		if told = o.pending(); told {
			f()
			o.rt.i.lent = lent{}
		}
	})
	return told
}

func (o *callout) metadata(m abi.Map, h *exchange.Header) {
	i := o.rt.i
	f := i.exports.grpcInitial
	if m == abi.GRPCTrailingMetadata {
		f = i.exports.grpcTrailing
	}
	i.lent.maps[m] = h
	o.enter(f, uint64(o.rt.id), uint64(o.token), uint64(h.Len()))
}

func (o *callout) message(b []byte) {
	i := o.rt.i
	i.lent.buffers[abi.GRPCReceive] = b
	o.enter(i.exports.grpcReceive, uint64(o.rt.id), uint64(o.token), uint64(len(b)))
}

// over tells the guest that the call has ended.
func (o *callout) over(end outcome) {
	o.tell(func() {
		i := o.rt.i
		delete(i.calls.out, o.token)
		i.calls.status, i.calls.message = end.code, end.message
		o.enter(i.exports.grpcDone, uint64(o.rt.id), uint64(o.token), uint64(end.code))
		i.calls.status, i.calls.message = 0, ""
	})
}
