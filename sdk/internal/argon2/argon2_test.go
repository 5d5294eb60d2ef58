package argon2

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	theirs "golang.org/x/crypto/argon2"
)

// TestBlake2b_AsInTheRFC has the example of RFC 7693, appendix A.
func TestBlake2b_AsInTheRFC(t *testing.T) {
	t.Parallel()
	const want = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
	if got := hex.EncodeToString(blake2b(64, []byte("abc"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestKey_AsTheOneOfWeir compares with the implementation that weir uses.
func TestKey_AsTheOneOfWeir(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		passes, memory uint32
		lanes          uint8
		size           uint32
	}{
		{1, 64, 1, 32}, {1, 8, 1, 16}, {3, 32, 4, 32}, {2, 100, 3, 64}, {2, 256, 2, 65}, {1, 1030, 1, 128}, {1, 1, 1, 4}, {4, 2100, 4, 20},
	} {
		for _, size := range []int{0, 3, 127, 128, 129, 256, 1000} {
			password, salt := strings.Repeat("p", size), []byte("some salt of any length")
			got := Key([]byte(password), salt, c.passes, c.memory, c.lanes, c.size)
			if want := theirs.IDKey([]byte(password), salt, c.passes, c.memory, c.lanes, c.size); !bytes.Equal(got, want) {
				t.Errorf("%+v, a password of %d bytes:\ngot  %x\nwant %x", c, size, got, want)
			}
		}
	}
}

func BenchmarkKey(b *testing.B) {
	for b.Loop() {
		Key([]byte("password"), []byte("saltsalt"), 2, 19<<10, 1, 32)
	}
}
