package httpwasm

// Type is a value type, as the binary format of WebAssembly numbers it.
type Type = byte

// The types that the ABI uses.
const (
	I32 Type = 0x7f
	I64 Type = 0x7e
)

// Function is one function that hosts offer.
type Function struct {
	Name            string
	Params, Results []Type
}

// Functions returns all there are. Texts are an address and a length in bytes; functions
// that write take an address and how many bytes there is room for, and return how many
// there are: with too little room they write nothing.
func Functions() []Function {
	one := []Type{I32}
	params := func(n int) []Type {
		list := make([]Type, n)
		for i := range list {
			list[i] = I32
		}
		return list
	}
	return []Function{
		{"enable_features", params(1), one},           // features -> all that are enabled
		{"get_config", params(2), one},                // buf, limit -> len
		{"log_enabled", params(1), one},               // level -> 0, 1
		{"log", params(3), nil},                       // level, text
		{"get_method", params(2), one},                // buf, limit -> len
		{"set_method", params(2), nil},                // text
		{"get_uri", params(2), one},                   // buf, limit -> len
		{"set_uri", params(2), nil},                   // text
		{"get_protocol_version", params(2), one},      // buf, limit -> len
		{"get_source_addr", params(2), one},           // buf, limit -> len
		{"get_header_names", params(3), []Type{I64}},  // kind, buf, limit -> count_len
		{"get_header_values", params(5), []Type{I64}}, // kind, name, buf, limit -> count_len
		{"set_header_value", params(5), nil},          // kind, name, value
		{"add_header_value", params(5), nil},          // kind, name, value
		{"remove_header", params(3), nil},             // kind, name
		{"read_body", params(3), []Type{I64}},         // kind, buf, limit -> eof_len
		{"write_body", params(3), nil},                // kind, text
		{"get_status_code", nil, one},                 // -> status
		{"set_status_code", params(1), nil},           // status
	}
}
