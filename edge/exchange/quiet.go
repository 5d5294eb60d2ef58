package exchange

// What may be silent on purpose. An application that has nothing to tell says nothing,
// so that limits on the time between two pieces of content would cut what is well; who
// has died is found out by the connection (TCP's keepalive, PING).

// GRPC tells whether h is of a gRPC message, by its media type: application/grpc,
// application/grpc+proto, application/grpc-web.
func GRPC(h *Header) bool { return startsFold(h.Get("content-type"), "application/grpc") }

// Quiet tells whether the content of a response with header h may be silent for long:
// server-sent events and gRPC.
func Quiet(h *Header) bool {
	media := h.Get("content-type")
	return startsFold(media, "text/event-stream") || startsFold(media, "application/grpc")
}

// startsFold tells whether s begins with prefix, which is in lower case.
func startsFold(s, prefix string) bool {
	return len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix)
}
