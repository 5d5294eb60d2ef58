package proxywasm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

var errPseudo = errors.New(":method, :path and :authority are needed")

// setHead makes method, target, authority and header of the pairs that a guest gives.
// An empty :authority stands for the upstream's own.
func (o *callout) setHead(pairs []byte) error {
	c := &o.call
	var method, path, authority bool
	for name, value := range abi.Pairs(pairs) {
		var err error
		switch name = strings.ToLower(name); name {
		case ":method":
			method = true
			err = o.setMethod(value)
		case ":path":
			path = true
			err = o.setTarget(value)
		case ":authority":
			authority = true
			err = o.setAuthority(value)
		case ":scheme":
			if value == "http" || value == "https" {
				c.Scheme = value
			}
		case "host":
			if !authority && value != "" {
				err = o.setAuthority(value)
			}
		default:
			err = o.addField(name, value)
		}
		if err != nil {
			return fmt.Errorf("call upstream: %w", err)
		}
	}
	if !method || !path || !authority {
		return fmt.Errorf("call upstream: %w", errPseudo)
	}
	return nil
}

func (o *callout) setMethod(v string) error {
	// CONNECT asks for a tunnel, of which a guest could use neither end.
	if !exchange.ValidName(v) || v == "CONNECT" {
		return fmt.Errorf("bad :method %q", v)
	}
	o.call.Method = v
	return nil
}

// setTarget takes what could go on a wire as it is. It is not made canonical: the
// upstream is the guest's choice, and what it asks there its own business.
func (o *callout) setTarget(v string) error {
	ok := v == "*" || strings.HasPrefix(v, "/")
	for k := 0; ok && k < len(v); k++ {
		ok = v[k] > ' ' && v[k] < 0x7f && v[k] != '#'
	}
	if !ok {
		return fmt.Errorf("bad :path %q", v)
	}
	o.call.Target = v
	return nil
}

func (o *callout) setAuthority(v string) error {
	if v == "" {
		return nil
	}
	authority, _, _, err := exchange.ParseAuthority(v)
	if err != nil {
		return fmt.Errorf("bad :authority %q: %w", v, err)
	}
	o.call.Authority = authority
	return nil
}

// addField adds a field, unless it speaks of a connection or its framing: those are the
// protocol's (RFC 9110 §7.6.1). A guest that names such a field has copied it from a
// request, most likely.
func (o *callout) addField(name, value string) error {
	switch name {
	case "connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect":
		return nil
	}
	if strings.HasPrefix(name, ":") {
		return nil
	}
	return o.call.Header.Add(name, value)
}
