package http1

import (
	"fmt"
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// refusal is one way in which a message is not acceptable. keep says that its
// framing is beyond doubt, so that the connection may go on.
type refusal struct {
	err  exchange.Error
	keep bool
}

func refuse(status int, reason string) *refusal {
	return &refusal{err: *exchange.Reason(status, reason)}
}

func refuseKeep(status int, reason string) *refusal {
	return &refusal{err: *exchange.Reason(status, reason), keep: true}
}

// Every refusal, by the part of the message it is about.
var (
	// Lines (RFC 9112 §2.2, §3).
	refBareCR     = refuse(400, "bare CR")
	refBareLF     = refuse(400, "bare LF")
	refEmptyLine  = refuse(400, "empty lines before the request")
	refLine       = refuse(400, "malformed request line")
	refLineLong   = refuse(414, "request line too long")
	refMethod     = refuse(400, "method is not a token")
	refVersion    = refuse(400, "malformed HTTP version")
	refVersionNo  = refuse(505, "HTTP version not supported")
	refStatusLine = refuse(400, "malformed status line")

	// Request targets (RFC 9112 §3.2).
	refTarget      = refuse(400, "forbidden character in the request target")
	refTargetForm  = refuse(400, "request target in no known form")
	refFragment    = refuse(400, "fragment in the request target")
	refAsterisk    = refuse(400, "asterisk target without OPTIONS")
	refConnect     = refuse(405, "CONNECT is not served")
	refConnectForm = refuse(400, "malformed CONNECT target")
	refScheme      = refuseKeep(421, "scheme of the target is not the connection's")

	// Host (RFC 9110 §7.2, RFC 9112 §3.2).
	refNoHost       = refuse(400, "no Host field")
	refManyHosts    = refuse(400, "several Host fields")
	refHost         = refuse(400, "malformed host")
	refHostMismatch = refuse(400, "Host is not the target's authority")

	// Fields (RFC 9112 §5).
	refFold       = refuse(400, "folded field line")
	refName       = refuse(400, "field name is not a token")
	refNameEmpty  = refuse(400, "empty field name")
	refColonSpace = refuse(400, "space before the colon of a field")
	refValue      = refuse(400, "control character in a field value")
	refHeaderBig  = refuse(431, "header block too large")
	refManyFields = refuse(431, "too many header fields")

	// Framing (RFC 9112 §6).
	refLength       = refuse(400, "malformed Content-Length")
	refLengthRange  = refuse(400, "Content-Length too large")
	refLengthTwice  = refuse(400, "several Content-Length fields")
	refLengthCoding = refuse(400, "Content-Length and Transfer-Encoding")
	refCoding       = refuse(501, "unknown transfer coding")
	refCodingForm   = refuse(400, "malformed Transfer-Encoding")
	refCodingOrder  = refuse(400, "chunked is repeated or not the last coding")
	refCodingOld    = refuse(400, "Transfer-Encoding in HTTP/1.0")
	refCodingStatus = refuse(400, "Transfer-Encoding in a response without a body")
	refExpect       = refuseKeep(417, "unknown expectation")

	// Chunked bodies (RFC 9112 §7.1).
	refChunkSize    = refuse(400, "malformed chunk size")
	refChunkRange   = refuse(400, "chunk size too large")
	refChunkEnd     = refuse(400, "chunk data without its line end")
	refChunkLine    = refuse(400, "chunk line too long")
	refChunkExt     = refuse(400, "malformed chunk extension")
	refExtensions   = refuse(400, "too many chunk extensions")
	refTrailerBig   = refuse(431, "trailer too large")
	refTrailerFrame = refuse(400, "framing field in the trailer")

	// Ends (RFC 9112 §8). A client that only closed its sending half reads the answer.
	refBodyCut = &refusal{err: exchange.Error{Fault: exchange.Client, Status: 400, Err: fmt.Errorf("body cut short: %w", io.ErrUnexpectedEOF)}}

	// Time (RFC 9110 §15.5.9).
	refHeadSlow = refuse(408, "head not complete in time")
	refBodySlow = refuse(408, "body too slow")
)
