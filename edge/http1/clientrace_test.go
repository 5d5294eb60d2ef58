//go:build race

package http1

// raceEnabled says that pools lose things at random.
const raceEnabled = true
