//go:build race

package httpwasm_test

const raceEnabled = true
