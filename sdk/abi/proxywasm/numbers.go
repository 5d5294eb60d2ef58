package proxywasm

// Status is what host functions return.
type Status uint32

// The statuses. Guests in Rust know OK, NotFound, BadArgument, SerializationFailure,
// ParseFailure, Empty, CASMismatch and InternalFailure; others are undefined behaviour
// there, so hosts use them where nothing else fits.
const (
	OK Status = iota
	NotFound
	BadArgument
	SerializationFailure
	ParseFailure
	BadExpression
	InvalidMemoryAccess
	Empty
	CASMismatch
	ResultMismatch
	InternalFailure
	BrokenConnection
	Unimplemented
)

// Level is how grave a log line is.
type Level uint32

// The levels.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
	Critical
)

// Action is what a stream callback returns. Header callbacks know all five; of those for
// bodies, 1 to 3 are StopAndBuffer, StopAndWatermark and StopNoBuffer.
type Action uint32

// The actions of header callbacks.
const (
	Continue Action = iota
	Pause           // Envoy: StopIteration
	ContinueAndEndStream
	StopAllAndBuffer
	StopAllAndWatermark
)

// The actions of body callbacks beside Continue.
const (
	StopAndBuffer Action = iota + 1
	StopAndWatermark
	StopNoBuffer
)

// Buffer is a kind of buffer.
type Buffer uint32

// The buffers.
const (
	RequestBody Buffer = iota
	ResponseBody
	DownstreamData
	UpstreamData
	CallResponseBody
	GRPCReceive
	VMConfiguration
	PluginConfiguration
	CallData
)

// Map is a kind of header map.
type Map uint32

// The maps.
const (
	RequestHeaders Map = iota
	RequestTrailers
	ResponseHeaders
	ResponseTrailers
	GRPCInitialMetadata
	GRPCTrailingMetadata
	CallResponseHeaders
	CallResponseTrailers
)

// Direction is a kind of stream.
type Direction uint32

// The streams.
const (
	Request Direction = iota
	Response
	Downstream
	Upstream
)

// Metric is a kind of metric.
type Metric uint32

// The metrics.
const (
	Counter Metric = iota
	Gauge
	Histogram
)
