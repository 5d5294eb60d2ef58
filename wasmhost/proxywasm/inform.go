package proxywasm

import (
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// hint is an interim response of the guest's. The exchange's goroutine alone can send it:
// it does so when it is about to wait for the guest, or has a head go on. While it waits
// for the next handler, nobody does.
type hint struct {
	status int
	header *exchange.Header
}

// mostHints is how many may wait.
const mostHints = 8

// weirInform has status and pairs.
func weirInform(i *instance, argument []byte) ([]byte, abi.Status) {
	f := ext.Read(argument)
	status, pairs := f.Uint(), f.Bytes()
	if f.End() != nil || status < 100 || status > 199 || status == http.StatusSwitchingProtocols || abi.CheckPairs(pairs) != nil {
		return nil, abi.BadArgument
	}
	if i.effective == nil || i.effective.stream == nil {
		return nil, abi.NotFound
	}
	s := i.effective.stream
	s.wrote += len(pairs)
	switch {
	case s.answered || s.finished || s.out.sent:
		i.complain("interim response after the final one: refused")
		return nil, abi.BadArgument
	case len(s.hinted) >= mostHints || s.wrote > guest.MostFields:
		i.complain("interim response beside as many as may wait: refused")
		return nil, abi.InternalFailure
	}
	i.chargePairs(pairs)
	h := hint{int(status), i.headerOf(pairs)}
	s.hinted = append(s.hinted, h)
	s.wake()
	s.nudge()
	return nil, abi.OK
}

// headerOf is what a guest gives as pairs, but for what is the protocol's business.
func (i *instance) headerOf(pairs []byte) *exchange.Header {
	h := &exchange.Header{}
	for name, value := range abi.RawPairs(pairs) {
		i.setField(h, i.lower(name), string(value), false)
	}
	return h
}

// hints takes what waits to be sent. The instance is held.
func (s *stream) hints() []hint {
	all := s.hinted
	s.hinted = nil
	return all
}

// inform sends them. Whether the client hears of them is its own affair.
func (s *stream) inform(all []hint) {
	for _, h := range all {
		_ = s.r.Inform(h.status, h.header)
	}
}
