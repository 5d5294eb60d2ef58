// Package trial runs cases against a module, as they happen in weir: through the same host,
// filters and handlers, with the same limits. A case is a request, the answers of what is
// behind the guest and of what it calls, and what is to come of it. What a case is like in
// a file is not this package's affair.
package trial
