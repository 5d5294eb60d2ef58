package c_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A test that cannot fail proves nothing: these do, and say why.
func TestNative_FailsWhereSomethingIsWrong(t *testing.T) {
	t.Parallel()
	const get = `#include "weir_test.h"
int main(void) {
	weir_test *t = weir_test_start(NULL);
	weir_exchange *x = weir_test_get(t, "/");
	weir_test_equal(weir_test_field(x, "x-hello"), "from C");
	return weir_test_end(t);
}
`
	for _, c := range []struct {
		name, filter, want string
		sanitizer          bool
	}{
		{"another value", `static void on(weir_stream *s) { weir_set(s, WEIR_RESPONSE, "x-hello", "from D"); }
WEIR_FILTER(.on_response = on)`, `got "from D", want "from C"`, false},
		{"a refused configuration", `static void on(weir_value *v, void *to) { (void)to; weir_refuse(v, "a", "is missing"); }
WEIR_FILTER(.on_configure = on)`, "configuration refused: a: is missing", false},
		{"an answer that never comes", `static void on(weir_stream *s) { weir_reply_start(s, 200); }
WEIR_FILTER(.on_request = on)`, "waits for what does not come", false},
		{"a value kept for too long", `static const char *kept;
static void on(weir_stream *s) { kept = weir_get(s, WEIR_REQUEST, ":path"); }
static void late(weir_stream *s) { weir_set(s, WEIR_RESPONSE, "x-hello", kept); }
WEIR_FILTER(.on_request = on, .on_response = late)`, "heap-use-after-free", true},
		{"a state written beyond its end", `static void on(weir_stream *s) { ((char *)weir_state(s, 8))[8] = 1; }
WEIR_FILTER(.on_request = on)`, "heap-buffer-overflow", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cc, dir := find(t, "cc", "gcc", "clang"), t.TempDir()
			args := append(strict("c"), "-g", "-DWEIR_TEST", "-I", here(t), "-o", "test")
			checks := sanitizers(t, cc)
			if c.sanitizer && checks == nil {
				lacks(t, "the compiler's sanitizer of memory")
			}
			write(t, filepath.Join(dir, "filter.c"), "#include \"weir.h\"\n"+c.filter+"\n")
			write(t, filepath.Join(dir, "test.c"), get)
			run(t, dir, cc, append(append(args, checks...), "filter.c", "test.c")...)
			out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "test")).CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("it ends with %v and says\n%s\nwant %q in it", err, out, c.want)
			}
		})
	}
}
