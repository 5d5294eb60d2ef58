#include "weir.h"

static void on_response(weir_stream *s) {
	weir_set(s, WEIR_RESPONSE, "x-hello", "from {{name}}");
}

WEIR_FILTER(.on_response = on_response)
