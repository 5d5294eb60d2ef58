package cache

// Store keeps responses.
type Store struct{}
