package guest

import (
	"context"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// Services are functions beside an ABI's that may take their time: stores, passwords,
// keys. sdk/HOST.md has what guests see of them. They are safe for concurrent use.
type Services interface {
	// Has tells whether there is a function of that name.
	Has(name string) bool
	// Call does what one of them is to do, and waits for that; it ends soon when ctx
	// does: nobody waits any longer. argument is what the guest gave, fields that may be
	// anything, and the function's to keep. The answer's fields go to the guest with
	// [abi.OK]; with another status, it is told what err says instead, cut to a line.
	Call(ctx context.Context, name string, argument []byte) (fields []byte, st abi.Status, err error)
}
