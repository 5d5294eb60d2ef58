package nethttp

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

var (
	errManyInterim  = errors.New("upstream sends interim responses without end")
	errInterimEnd   = errors.New("upstream ends its stream with an interim response")
	errTunnelEnd    = errors.New("upstream accepts a tunnel and ends it")
	errStatus       = errors.New("response has no valid :status")
	errSwitch       = errors.New("response has status 101, which is not for HTTP/2 and HTTP/3")
	errPseudo       = errors.New("response has a pseudo header field that is not its to have")
	errUpperCase    = errors.New("response has a field name in upper case")
	errLengths      = errors.New("response has no valid content-length, or several")
	errAnswerFields = errors.New("response has too many header fields")
	errHeadLong     = errors.New("response header is too large")
	errTailEnd      = errors.New("response has a second header block that is no trailer")
)

// readHead checks the header block of a response and adds its fields to h. length is
// what content-length says; -1 without. Fields that belong to a connection are dropped;
// upstreams that were made for HTTP/1.1 send them.
func readHead(fields []hpack.HeaderField, h *exchange.Header, most int) (status int, length int64, err error) {
	length = -1
	if len(fields) > most+1 {
		return 0, 0, errAnswerFields
	}
	if status, err = readStatus(fields); err != nil {
		return 0, 0, err
	}
	for _, f := range fields[1:] {
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			continue
		case "content-length":
			if length >= 0 {
				return 0, 0, errLengths
			}
			if length, err = readLength(f.Value); err != nil {
				return 0, 0, err
			}
		}
		switch {
		case f.Name != "" && f.Name[0] == ':':
			return 0, 0, errPseudo
		case hasUpper(f.Name):
			return 0, 0, errUpperCase
		}
		if err := h.Add(f.Name, f.Value); err != nil {
			return 0, 0, fmt.Errorf("response %w", err)
		}
	}
	return status, length, nil
}

func readStatus(fields []hpack.HeaderField) (int, error) {
	if len(fields) == 0 || fields[0].Name != ":status" || len(fields[0].Value) != 3 {
		return 0, errStatus
	}
	status, err := strconv.ParseUint(fields[0].Value, 10, 16)
	switch {
	case err != nil || status < 100 || status > 599:
		return 0, errStatus
	case status == 101: // RFC 9113 §8.6, RFC 9114 §4.5
		return 0, errSwitch
	}
	return int(status), nil
}

// readLength reads a content-length: digits and nothing else (security P4).
func readLength(s string) (int64, error) {
	if s == "" || len(s) > 18 {
		return 0, errLengths
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, errLengths
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errLengths
	}
	return n, nil
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
}
