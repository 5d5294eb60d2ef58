package guest

import (
	"errors"
	"strings"
	"testing"
)

func TestSaid_KeepsWhatTellsTheReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, heard, want string }{
		{"nothing", "", "it failed"},
		{"a few lines", "one\ntwo\r\n\nthree\n", "it failed; it said: one; two; three"},
		{"the last of many", "1\n2\n3\n4\n5\n6", "it failed; it said: 3; 4; 5; 6"},
		{"Go panics", "ready\npanic: no key\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1\n", "it failed; it said: ready; panic: no key"},
		{"Go has no memory", "runtime: out of memory: cannot allocate 1-byte block\nfatal error: out of memory\n\ngoroutine 1 gp=0x1:\nruntime.throw()\n\tpanic.go:1\n",
			"it failed; it said: runtime: out of memory: cannot allocate 1-byte block; fatal error: out of memory"},
		{"old Rust", "thread '<unnamed>' panicked at 'no key', src/lib.rs:1:2\nnote: run with `RUST_BACKTRACE=1`\nmore\n", "it failed; it said: thread '<unnamed>' panicked at 'no key', src/lib.rs:1:2"},
		{"new Rust", "thread 'main' (1) panicked at src/lib.rs:1:2:\nno key\nnote: run with `RUST_BACKTRACE=1`\nmore\n", "it failed; it said: thread 'main' (1) panicked at src/lib.rs:1:2:; no key"},
		{"no text", "a\xff", "it failed; it said: a\uFFFD"},
	} {
		var s Said
		s.Hear("panic: of before")
		s.Forget()
		for line := range strings.Lines(c.heard) {
			s.Hear(line)
		}
		if got := s.Explain(errors.New("it failed")).Error(); got != c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
		if err := s.Explain(nil); err != nil {
			t.Errorf("%s: without an error: got %v, want none", c.name, err)
		}
	}
}
