package ext

import abi "github.com/weirproxy/weir/sdk/abi/proxywasm"

// Version is what Hello answers.
const Version = 1

// The functions. Arguments and results are fields, see [Append].
const (
	Hello  = "weir.hello"  // -> version. Other hosts have no such function
	Random = "weir.random" // how many bytes, 1 to 65,536 -> them
	Timer  = "weir.timer"  // milliseconds -> token; then an answer without more
	Cancel = "weir.cancel" // token: no answer of that will come, and what it was for is given up

	Fetch     = "weir.fetch"      // upstream, header pairs, body, milliseconds -> token; then header pairs, and the body if More is 0
	FetchRead = "weir.fetch.read" // token -> nothing; then the next bytes, or Empty with trailer pairs

	Body = "weir.body" // direction, order

	ReplyStart = "weir.reply.start" // status, header pairs
	ReplyWrite = "weir.reply.write" // bytes -> 1 if there is room for more, else 0
	ReplyEnd   = "weir.reply.end"   // trailer pairs
	Inform     = "weir.inform"      // status (103), header pairs

	StoreGet    = "weir.store.get"    // space, key -> token; then value, version
	StorePut    = "weir.store.put"    // space, key, value, milliseconds it lives or 0, version it must have -> token; then version
	StoreDelete = "weir.store.delete" // space, key, version it must have -> token; then nothing
	StoreList   = "weir.store.list"   // space, prefix, after, how many -> token; then key, value, version, and so on

	PasswordHash   = "weir.password.hash"   // password -> token; then its hash, as a PHC string
	PasswordVerify = "weir.password.verify" // hash, password -> token; then 1 or 0, and 1 if it should be hashed anew

	Sign   = "weir.sign"   // name of a key, message -> token; then signature, and its algorithm (HS256, EdDSA)
	Verify = "weir.verify" // name of a key, message, signature -> token; then 1 or 0
)

// Versions that a write may want an entry to have, beside one that it was read with.
const (
	Any    = 1<<64 - 1 // whatever it has, or none
	Absent = 0         // there must be no entry
)

// Orders of [Body]: what becomes of what the guest was shown, which it holds.
const (
	ShowMore = 1 // it is kept, and comes again with what follows
	DropMore = 2 // it is dropped: only what follows comes
	PassRest = 3 // it goes on, and what follows is not shown
)

// What proxy_on_foreign_function is called for, as its function id.
const (
	Answer = 1 // fields: token, status, and what the function says; with a failure, a message
	Event  = 2 // fields: context, kind
)

// Kinds of [Event].
const (
	Room = 1 // a reply has room again
	Gone = 2 // nobody takes the rest of a reply
)

// ContinueUnseen is what callbacks for headers and bodies return, on weir alone, that
// want to see nothing more of this direction.
const ContinueUnseen abi.Action = 5

// Denied is the status of an answer to what the plugin was not granted.
const Denied abi.Status = 16
