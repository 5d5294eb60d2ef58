// Package rotate keeps secrets that all nodes share, and that change: keys of TLS session
// tickets, keys for Encrypted Client Hello, and the secret that QUIC's reset and token
// keys come from.
//
// Keys that rotate are in one record of the store. It always holds the key of the next
// period beside that of this one: every node knows a key, and accepts what was made with
// it, one whole period before any node uses it. When a period begins, by each node's own
// clock, the nodes change over without a word, and whoever first gets the lock adds the
// key of the period after. So clocks may differ, and a store that is away for less than a
// period is not noticed; away for longer, the last key goes on.
package rotate
