//go:build race

package meter_test

// raced says that the race detector is on, under which the compiler is many times slower.
const raced = true
