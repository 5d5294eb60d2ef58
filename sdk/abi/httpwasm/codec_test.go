package httpwasm

import "testing"

func TestCodec(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		result  uint64
		proceed bool
		context uint32
	}{
		{0, false, 0}, {1, true, 0}, {7 << 32, false, 7}, {0xffffffff<<32 | 1, true, 0xffffffff}, {2, true, 0},
	} {
		if p, c := Next(tt.result); p != tt.proceed || c != tt.context {
			t.Errorf("Next(%#x): got %v, %d; want %v, %d", tt.result, p, c, tt.proceed, tt.context)
		}
	}
	if got, want := CountLen(2, 9), uint64(2<<32|9); got != want {
		t.Errorf("CountLen(2, 9): got %#x, want %#x", got, want)
	}
	if got, want := EOFLen(true, 9), uint64(1<<32|9); got != want {
		t.Errorf("EOFLen(true, 9): got %#x, want %#x", got, want)
	}
	if got := EOFLen(false, 9); got != 9 {
		t.Errorf("EOFLen(false, 9): got %#x, want 9", got)
	}
	if !AllFeatures.Has(Trailers|BufferRequest) || Trailers.Has(AllFeatures) {
		t.Error("Has asks for all features")
	}
}
