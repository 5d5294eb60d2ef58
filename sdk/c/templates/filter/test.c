#include "weir_test.h"

int main(void) {
	weir_test *t = weir_test_start(NULL);
	weir_exchange *x = weir_test_get(t, "/");
	weir_test_number(weir_test_status(x), 200);
	weir_test_equal(weir_test_field(x, "x-hello"), "from {{name}}");
	return weir_test_end(t);
}
