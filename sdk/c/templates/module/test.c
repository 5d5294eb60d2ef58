#include "weir_test.h"

int main(void) {
	weir_test *t = weir_test_start(NULL);
	weir_test_equal(weir_test_text(weir_test_get(t, "/")), "Hello from {{name}}.\n");
	weir_test_equal(weir_test_text(weir_test_get(t, "/hello/Ada")), "Hello, Ada, at example.com.\n");
	weir_test_number(weir_test_status(weir_test_get(t, "/nothing")), 404);
	return weir_test_end(t);
}
