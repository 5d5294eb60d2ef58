// Package listen opens sockets and guards what comes in through them: addresses
// of all kinds, sockets handed over by systemd, limits of connections, the PROXY
// header of a load balancer in front, and word to systemd about our state.
//
// Nothing here looks at a client's first bytes other than a PROXY header, and
// that is read exactly: a TLS ClientHello, in however many pieces it comes, is
// left to crypto/tls alone (security P7).
//
// An [Opener] lives as long as the process. The sockets it opens belong to the
// caller, who keeps them over reloads by their Key.
//
// This package imports nothing of weir.
package listen
