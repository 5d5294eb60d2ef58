package certs

import (
	"testing"
	"time"
)

// A handshake that comes between must not be told that nothing is about to be done.
func TestQueue_WhatWasPoppedIsDueUntilWorkBegins(t *testing.T) {
	t.Parallel()
	var q queue
	e, now := &entry{index: -1, hot: -1}, time.Now()
	q.set(e, now)
	if got, _ := q.pop(now); got != e || q.at(e).IsZero() {
		t.Error("popped, and not due")
	}
	if q.begun(); !q.at(e).IsZero() {
		t.Error("begun, and still due")
	}
}
