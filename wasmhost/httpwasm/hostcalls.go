package httpwasm

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
)

func u32(v uint64) uint32 { return uint32(v) }

// refuse ends the guest: it has broken a rule.
func (i *instance) refuse(what string, err error) { i.vm.Break(fmt.Errorf("%s: %w", what, err)) }

var (
	errNoExchange = errors.New("there is no request")
	errAfter      = errors.New("the next handler has been called already")
	errMemory     = errors.New("address out of memory")
)

// visit returns the exchange, which the guest must have one of.
func (i *instance) visit(what string) *visit {
	if i.x.r == nil {
		i.refuse(what, errNoExchange)
	}
	return &i.x
}

// asking is visit for what can be done before the next handler is called, and not after.
func (i *instance) asking(what string) *visit {
	x := i.visit(what)
	if x.after {
		i.refuse(what, errAfter)
	}
	return x
}

// read returns a view of the guest's memory.
func (i *instance) read(what string, p, n uint64) []byte {
	b, ok := i.vm.Read(u32(p), u32(n))
	if !ok {
		i.refuse(what, errMemory)
	}
	return b
}

// give writes s where the guest has room for limit bytes, if that is enough, and returns
// its length.
func (i *instance) give(what, s string, a []uint64) {
	if len(s) > 0 && uint64(len(s)) <= uint64(u32(a[1])) && !i.vm.WriteString(u32(a[0]), s) {
		i.refuse(what, errMemory)
	}
	a[0] = uint64(len(s))
}

// enableFeatures: features -> those enabled now. Those that a guest enables when it starts
// hold for all its requests.
func enableFeatures(i *instance, a []uint64) {
	f := abi.Features(u32(a[0])) & abi.AllFeatures
	switch {
	case i.x.r == nil:
		i.features |= f
		f = i.features
	case i.x.after: // no effect
		f = i.x.features
	default:
		i.x.features |= f
		f = i.x.features
	}
	a[0] = uint64(f)
}

// getConfig: buf, limit -> len.
func getConfig(i *instance, a []uint64) { i.give("get_config", i.config, a) }

// level returns the logger's level for a guest's. None has none.
func level(v uint64) (slog.Level, bool) {
	switch abi.Level(u32(v)) {
	case abi.Debug:
		return slog.LevelDebug, true
	case abi.Info:
		return slog.LevelInfo, true
	case abi.Warn:
		return slog.LevelWarn, true
	case abi.Error:
		return slog.LevelError, true
	}
	return 0, false
}

// logEnabled: level -> 0 or 1.
func logEnabled(i *instance, a []uint64) {
	l, ok := level(a[0])
	a[0] = 0
	if ok && i.voice.hears(l) {
		a[0] = 1
	}
}

// lineCost is what a guest pays for a line, logged or not.
const lineCost = 1000

// logLine: level, text. It never traps.
func logLine(i *instance, a []uint64) {
	l, ok := level(a[0])
	if !ok {
		return
	}
	i.vm.Charge(lineCost)
	if b, ok := i.vm.Read(u32(a[1]), u32(a[2])); ok {
		i.voice.say(l, string(b[:min(len(b), lineSize)]))
	}
}

// getMethod: buf, limit -> len.
func getMethod(i *instance, a []uint64) { i.give("get_method", i.visit("get_method").r.Method, a) }

var errMethod = errors.New("that is no method")

// setMethod: text. CONNECT would make something else of the upstream's connection.
func setMethod(i *instance, a []uint64) {
	x := i.asking("set_method")
	b := i.read("set_method", a[0], a[1])
	method := i.words.text(b)
	if !exchange.ValidName(method) || strings.EqualFold(method, "CONNECT") {
		i.refuse("set_method", errMethod)
	}
	x.changed = true
	x.r.Method = method
}

// getURI: buf, limit -> len.
func getURI(i *instance, a []uint64) {
	target := i.visit("get_uri").r.Target
	if target == "" {
		target = "/"
	}
	i.give("get_uri", target, a)
}

// setURI: text.
func setURI(i *instance, a []uint64) {
	x := i.asking("set_uri")
	target := "/"
	if b := i.read("set_uri", a[0], a[1]); len(b) > 0 {
		target = i.words.text(b)
	}
	if err := x.r.SetTarget(target); err != nil {
		i.refuse("set_uri", err)
	}
	x.changed = true
}

// getProtocolVersion: buf, limit -> len.
func getProtocolVersion(i *instance, a []uint64) {
	i.give("get_protocol_version", i.visit("get_protocol_version").r.Proto.String(), a)
}

// getSourceAddr: buf, limit -> len.
func getSourceAddr(i *instance, a []uint64) {
	x := i.visit("get_source_addr")
	if !x.r.Client.IsValid() { // a unix socket
		i.give("get_source_addr", "", a)
		return
	}
	i.give("get_source_addr", x.r.Client.String(), a)
}

// getStatusCode: -> status.
func getStatusCode(i *instance, a []uint64) {
	x := i.visit("get_status_code")
	switch {
	case x.resp != nil:
		a[0] = uint64(x.resp.Status)
	case x.status != 0:
		a[0] = uint64(x.status)
	default:
		a[0] = 200
	}
}

// setStatusCode: status.
func setStatusCode(i *instance, a []uint64) {
	x := i.visit("set_status_code")
	status := u32(a[0])
	if status < 200 || status > 599 {
		i.refuse("set_status_code", fmt.Errorf("%d is no status of a final response", status))
	}
	if x.resp == nil {
		x.status = int(status)
		return
	}
	if x.resp.Tunnel != nil { // the switch to another protocol is refused
		x.changed = true
		x.resp.Tunnel.Close()
		x.resp.Tunnel = nil
	}
	x.resp.Status = int(status)
}
