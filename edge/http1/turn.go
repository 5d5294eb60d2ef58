package http1

import "syscall"

// turn is a turn of the conversation over a plain socket that should be silent: what is
// to be said is sent, and the answer waited for. Doing that by Write and then Read
// costs a system call more, a read that fails because the answer cannot be there yet:
// Go's poller forgets what it has seen when a read begins, so one has to look first.
// Here the read has begun, and looked, before the write.
type turn struct {
	out, in []byte
	begun   bool
	sent    int
	got     int
	spoken  bool // something had come already, maybe the end: nothing was sent
	err     error
	step    func(fd uintptr) bool // turn.once, made once
}

// take does the turn. It returns how much of out was sent and how much of in was read:
// none where something had come unasked, or where not all of out could be sent at once.
// Deadlines for reading hold.
func (t *turn) take(c syscall.RawConn, out, in []byte) (sent, got int, err error) {
	if t.step == nil {
		t.step = t.once
	}
	t.out, t.in = out, in
	t.begun, t.sent, t.got, t.spoken, t.err = false, 0, 0, false, nil
	err = c.Read(t.step)
	t.out, t.in = nil, nil
	if err == nil {
		err = t.err
	}
	return t.sent, t.got, err
}
