package upstream

// Pool is a set of endpoints that calls are divided among. It is shared by all who
// asked for the same.
type Pool struct{}
