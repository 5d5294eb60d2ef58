package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// reason is what the owner is told of an attempt that ended with err: with what may be
// wrong in the settings.
func reason(err error) error {
	if hint := hint(err); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

func hint(err error) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it speaks no TLS: is it an http:// or h2c:// endpoint?"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its authority can be named as tls: ca"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the name to verify can be set as tls: server_name"
	}
	// crypto/tls has no type for this alert.
	if strings.Contains(err.Error(), "tls: no application protocol") {
		return "it speaks no HTTP/2 or HTTP/3: is it an https:// endpoint?"
	}
	return ""
}
