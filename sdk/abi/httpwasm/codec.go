package httpwasm

// Next reads what handle_request returns: whether the next handler is called, and what
// handle_response is given then.
func Next(result uint64) (proceed bool, context uint32) {
	return uint32(result) != 0, uint32(result >> 32)
}

// CountLen is the result of functions that write lists: how many items there are, and how
// many bytes they take, with a NUL behind each.
func CountLen(count, size int) uint64 { return uint64(uint32(count))<<32 | uint64(uint32(size)) }

// EOFLen is the result of read_body: how many bytes were written, and whether the body
// has ended with them.
func EOFLen(eof bool, n int) uint64 {
	if eof {
		return 1<<32 | uint64(uint32(n))
	}
	return uint64(uint32(n))
}
