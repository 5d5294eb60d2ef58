//go:build wasip1

package host

import (
	"unsafe"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// What the host puts into the guest's memory is allocated by the guest, whom the host
// calls for that while the guest is inside of one of these functions: Allocate. Nothing
// else refers to it until the function returns, so it is kept here. Hosts that ask for
// more than they then give are not worth a list.
var lent []byte

// Allocate gives the host n bytes; it is what proxy_on_memory_allocate is.
func Allocate(n uint32) unsafe.Pointer {
	lent = make([]byte, max(n, 1))
	return unsafe.Pointer(unsafe.SliceData(lent))
}

// taken returns the n bytes that the host has put at p, which is where it was given room.
func taken(p, n uint32) []byte {
	b := lent
	lent = nil
	if n == 0 {
		return nil
	}
	if int(n) > len(b) || uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) != p {
		return mallocated(p, n)
	}
	return b[:n:n]
}

func text(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func bytes(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

// out is where the host writes a pointer and a size. It is a variable of the package, so
// that it is not allocated for each call: a guest is entered by one caller at a time.
var out struct {
	data uint32
	size uint32
	n    uint32
	long uint64
}

// Log writes a line to the host's log.
func Log(level abi.Level, message string) {
	p, n := text(message)
	proxyLog(uint32(level), p, n)
}

// Now returns the time, in nanoseconds since 1970.
func Now() int64 {
	out.long = 0
	proxyGetCurrentTimeNanoseconds(&out.long)
	return int64(out.long)
}

// SetTick has proxy_on_tick called every so many milliseconds; 0: no longer.
func SetTick(milliseconds uint32) { proxySetTickPeriodMilliseconds(milliseconds) }

// SetEffectiveContext chooses the context that host functions speak of, until the
// callback returns.
func SetEffectiveContext(id uint32) abi.Status { return abi.Status(proxySetEffectiveContext(id)) }

// Status tells what a call has failed with.
func Status() (code uint32, message string) {
	out.n, out.data, out.size = 0, 0, 0
	if proxyGetStatus(&out.n, &out.data, &out.size) != 0 {
		return 0, ""
	}
	return out.n, string(taken(out.data, out.size))
}

// Buffer returns a copy of part of a buffer.
func Buffer(b abi.Buffer, start, most int) ([]byte, abi.Status) {
	out.data, out.size = 0, 0
	if st := proxyGetBufferBytes(uint32(b), uint32(start), uint32(most), &out.data, &out.size); st != 0 {
		return nil, abi.Status(st)
	}
	return taken(out.data, out.size), abi.OK
}

// SetBuffer puts data in the place of part of a buffer.
func SetBuffer(b abi.Buffer, start, size int, data []byte) abi.Status {
	p, n := bytes(data)
	return abi.Status(proxySetBufferBytes(uint32(b), uint32(start), uint32(size), p, n))
}

// Pairs returns a header in the ABI's encoding.
func Pairs(m abi.Map) ([]byte, abi.Status) {
	out.data, out.size = 0, 0
	if st := proxyGetHeaderMapPairs(uint32(m), &out.data, &out.size); st != 0 {
		return nil, abi.Status(st)
	}
	return taken(out.data, out.size), abi.OK
}

// SetPairs replaces a header.
func SetPairs(m abi.Map, pairs []byte) abi.Status {
	p, n := bytes(pairs)
	return abi.Status(proxySetHeaderMapPairs(uint32(m), p, n))
}

// Value returns the first value of a field.
func Value(m abi.Map, key string) (string, abi.Status) {
	p, n := text(key)
	out.data, out.size = 0, 0
	if st := proxyGetHeaderMapValue(uint32(m), p, n, &out.data, &out.size); st != 0 {
		return "", abi.Status(st)
	}
	b := taken(out.data, out.size)
	return unsafe.String(unsafe.SliceData(b), len(b)), abi.OK
}

// Add appends a field.
func Add(m abi.Map, key, value string) abi.Status {
	p, n := text(key)
	q, k := text(value)
	return abi.Status(proxyAddHeaderMapValue(uint32(m), p, n, q, k))
}

// Replace sets a field.
func Replace(m abi.Map, key, value string) abi.Status {
	p, n := text(key)
	q, k := text(value)
	return abi.Status(proxyReplaceHeaderMapValue(uint32(m), p, n, q, k))
}

// Remove removes a field.
func Remove(m abi.Map, key string) abi.Status {
	p, n := text(key)
	return abi.Status(proxyRemoveHeaderMapValue(uint32(m), p, n))
}

// Property returns what the host knows by a path.
func Property(path string) ([]byte, abi.Status) {
	p, n := text(path)
	out.data, out.size = 0, 0
	if st := proxyGetProperty(p, n, &out.data, &out.size); st != 0 {
		return nil, abi.Status(st)
	}
	return taken(out.data, out.size), abi.OK
}

// SetProperty sets one.
func SetProperty(path string, value []byte) abi.Status {
	p, n := text(path)
	q, k := bytes(value)
	return abi.Status(proxySetProperty(p, n, q, k))
}

// Continue has a paused stream go on.
func Continue(d abi.Direction) abi.Status { return abi.Status(proxyContinueStream(uint32(d))) }

// Close cuts a stream.
func Close(d abi.Direction) abi.Status { return abi.Status(proxyCloseStream(uint32(d))) }

// Reply answers the request. grpc is -1 for none.
func Reply(status int, details string, body, pairs []byte, grpc int32) abi.Status {
	p, n := text(details)
	q, k := bytes(body)
	r, m := bytes(pairs)
	return abi.Status(proxySendLocalResponse(uint32(status), p, n, q, k, r, m, grpc))
}

// Call calls an upstream.
func Call(upstream string, pairs, body, trailers []byte, milliseconds uint32) (token uint32, st abi.Status) {
	p, n := text(upstream)
	q, k := bytes(pairs)
	r, m := bytes(body)
	t, l := bytes(trailers)
	out.n = 0
	st = abi.Status(proxyHTTPCall(p, n, q, k, r, m, t, l, milliseconds, &out.n))
	return out.n, st
}

// Foreign calls a function of the host's by its name.
func Foreign(name string, argument []byte) ([]byte, abi.Status) {
	p, n := text(name)
	q, k := bytes(argument)
	out.data, out.size = 0, 0
	if st := proxyCallForeignFunction(p, n, q, k, &out.data, &out.size); st != 0 {
		return nil, abi.Status(st)
	}
	return taken(out.data, out.size), abi.OK
}

// SharedData returns what guests of the same VM id share under a key.
func SharedData(key string) (value []byte, cas uint32, st abi.Status) {
	p, n := text(key)
	out.data, out.size, out.n = 0, 0, 0
	if st := proxyGetSharedData(p, n, &out.data, &out.size, &out.n); st != 0 {
		return nil, 0, abi.Status(st)
	}
	return taken(out.data, out.size), out.n, abi.OK
}

// SetSharedData sets it; unconditionally if cas is 0.
func SetSharedData(key string, value []byte, cas uint32) abi.Status {
	p, n := text(key)
	q, k := bytes(value)
	return abi.Status(proxySetSharedData(p, n, q, k, cas))
}

// DefineMetric returns the number of a metric.
func DefineMetric(kind abi.Metric, name string) (id uint32, st abi.Status) {
	p, n := text(name)
	out.n = 0
	st = abi.Status(proxyDefineMetric(uint32(kind), p, n, &out.n))
	return out.n, st
}

// Record sets a gauge, or adds to a counter or histogram.
func Record(id uint32, value uint64) abi.Status { return abi.Status(proxyRecordMetric(id, value)) }

// Increment adds to a counter or gauge.
func Increment(id uint32, delta int64) abi.Status {
	return abi.Status(proxyIncrementMetric(id, delta))
}

// Metric returns the value of a counter or gauge.
func Metric(id uint32) (uint64, abi.Status) {
	out.long = 0
	st := abi.Status(proxyGetMetric(id, &out.long))
	return out.long, st
}
