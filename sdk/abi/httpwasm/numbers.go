package httpwasm

// Module is what guests import the functions of this ABI from.
const Module = "http_handler"

// What guests export.
const (
	HandleRequest  = "handle_request"  // () -> i64, see Next
	HandleResponse = "handle_response" // (i32 context, i32 isError) -> ()
	Memory         = "memory"
)

// HeaderKind says which fields a function is about.
type HeaderKind uint32

// The kinds of fields.
const (
	RequestHeader HeaderKind = iota
	ResponseHeader
	RequestTrailers
	ResponseTrailers
)

// BodyKind says which body a function is about.
type BodyKind uint32

// The kinds of bodies.
const (
	RequestBody BodyKind = iota
	ResponseBody
)

// Level is how important a log line is.
type Level int32

// The levels.
const (
	Debug Level = iota - 1
	Info
	Warn
	Error
	None
)

// Features are what a guest may ask for by enable_features.
type Features uint32

// The features. With BufferRequest, what a guest reads of the request's body is not
// lost to the next handler. With BufferResponse, handle_response may read the response's
// body and replace it.
const (
	BufferRequest Features = 1 << iota
	BufferResponse
	Trailers

	AllFeatures = BufferRequest | BufferResponse | Trailers
)

// Has tells whether all features of want are in f.
func (f Features) Has(want Features) bool { return f&want == want }
