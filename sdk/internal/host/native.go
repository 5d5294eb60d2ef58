//go:build !wasip1

package host

import (
	"sync"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// Host answers what a guest asks. Byte slices that it is given are the guest's, and good
// until it returns; those that it returns are the guest's from then on.
type Host interface {
	Log(level abi.Level, message string)
	Now() int64 // nanoseconds since 1970
	SetTick(milliseconds uint32)
	SetEffectiveContext(id uint32) abi.Status
	Status() (code uint32, message string)

	Buffer(b abi.Buffer, start, most int) ([]byte, abi.Status)
	SetBuffer(b abi.Buffer, start, size int, data []byte) abi.Status

	Pairs(m abi.Map) ([]byte, abi.Status)
	SetPairs(m abi.Map, pairs []byte) abi.Status
	Value(m abi.Map, key string) (string, abi.Status)
	Add(m abi.Map, key, value string) abi.Status
	Replace(m abi.Map, key, value string) abi.Status
	Remove(m abi.Map, key string) abi.Status

	Property(path string) ([]byte, abi.Status) // segments with zero bytes between them
	SetProperty(path string, value []byte) abi.Status

	Continue(d abi.Direction) abi.Status
	Close(d abi.Direction) abi.Status
	Reply(status int, details string, body, pairs []byte, grpc int32) abi.Status

	Call(upstream string, pairs, body, trailers []byte, milliseconds uint32) (token uint32, st abi.Status)
	Foreign(name string, argument []byte) ([]byte, abi.Status)

	SharedData(key string) (value []byte, cas uint32, st abi.Status)
	SetSharedData(key string, value []byte, cas uint32) abi.Status

	DefineMetric(kind abi.Metric, name string) (id uint32, st abi.Status)
	Record(id uint32, value uint64) abi.Status
	Increment(id uint32, delta int64) abi.Status
	Metric(id uint32) (uint64, abi.Status)
}

// turn is held by whoever is inside a guest: guests are single-threaded, and keep what
// they are at in variables of their packages.
var (
	turn    sync.Mutex
	current Host
)

// Enter makes h the host until leave is called, and waits for whoever is inside another
// guest. It must not be called again before leave.
func Enter(h Host) (leave func()) {
	turn.Lock()
	current = h
	return func() {
		current = nil
		turn.Unlock()
	}
}

// there returns the host. Outside of a guest's callbacks there is none, and nothing that
// could be answered.
func there() Host {
	if current == nil {
		return nobody{}
	}
	return current
}

// Log writes a line to the host's log.
func Log(level abi.Level, message string) { there().Log(level, message) }

// Now returns the time, in nanoseconds since 1970.
func Now() int64 { return there().Now() }

// SetTick has proxy_on_tick called every so many milliseconds; 0: no longer.
func SetTick(milliseconds uint32) { there().SetTick(milliseconds) }

// SetEffectiveContext chooses the context that host functions speak of, until the
// callback returns.
func SetEffectiveContext(id uint32) abi.Status { return there().SetEffectiveContext(id) }

// Status tells what a call has failed with.
func Status() (code uint32, message string) { return there().Status() }

// Buffer returns a copy of part of a buffer.
func Buffer(b abi.Buffer, start, most int) ([]byte, abi.Status) {
	return there().Buffer(b, start, most)
}

// SetBuffer puts data in the place of part of a buffer.
func SetBuffer(b abi.Buffer, start, size int, data []byte) abi.Status {
	return there().SetBuffer(b, start, size, data)
}

// Pairs returns a header in the ABI's encoding.
func Pairs(m abi.Map) ([]byte, abi.Status) { return there().Pairs(m) }

// SetPairs replaces a header.
func SetPairs(m abi.Map, pairs []byte) abi.Status { return there().SetPairs(m, pairs) }

// Value returns the first value of a field.
func Value(m abi.Map, key string) (string, abi.Status) { return there().Value(m, key) }

// Add appends a field.
func Add(m abi.Map, key, value string) abi.Status { return there().Add(m, key, value) }

// Replace sets a field.
func Replace(m abi.Map, key, value string) abi.Status { return there().Replace(m, key, value) }

// Remove removes a field.
func Remove(m abi.Map, key string) abi.Status { return there().Remove(m, key) }

// Property returns what the host knows by a path.
func Property(path string) ([]byte, abi.Status) { return there().Property(path) }

// SetProperty sets one.
func SetProperty(path string, value []byte) abi.Status { return there().SetProperty(path, value) }

// Continue has a paused stream go on.
func Continue(d abi.Direction) abi.Status { return there().Continue(d) }

// Close cuts a stream.
func Close(d abi.Direction) abi.Status { return there().Close(d) }

// Reply answers the request. grpc is -1 for none.
func Reply(status int, details string, body, pairs []byte, grpc int32) abi.Status {
	return there().Reply(status, details, body, pairs, grpc)
}

// Call calls an upstream.
func Call(upstream string, pairs, body, trailers []byte, milliseconds uint32) (token uint32, st abi.Status) {
	return there().Call(upstream, pairs, body, trailers, milliseconds)
}

// Foreign calls a function of the host's by its name.
func Foreign(name string, argument []byte) ([]byte, abi.Status) {
	return there().Foreign(name, argument)
}

// SharedData returns what guests of the same VM id share under a key.
func SharedData(key string) (value []byte, cas uint32, st abi.Status) { return there().SharedData(key) }

// SetSharedData sets it; unconditionally if cas is 0.
func SetSharedData(key string, value []byte, cas uint32) abi.Status {
	return there().SetSharedData(key, value, cas)
}

// DefineMetric returns the number of a metric.
func DefineMetric(kind abi.Metric, name string) (id uint32, st abi.Status) {
	return there().DefineMetric(kind, name)
}

// Record sets a gauge, or adds to a counter or histogram.
func Record(id uint32, value uint64) abi.Status { return there().Record(id, value) }

// Increment adds to a counter or gauge.
func Increment(id uint32, delta int64) abi.Status { return there().Increment(id, delta) }

// Metric returns the value of a counter or gauge.
func Metric(id uint32) (uint64, abi.Status) { return there().Metric(id) }
