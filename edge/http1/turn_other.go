//go:build !unix

package http1

const canTurn = false

func (*turn) once(uintptr) bool { return true }
