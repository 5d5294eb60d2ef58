// Package proxy is the handler that asks an upstream: it makes the call out of the
// client's request and the response out of the upstream's answer, as an intermediary
// has to (RFC 9110 §7). Which endpoint answers is package upstream's business.
package proxy
