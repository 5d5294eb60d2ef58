#include "weir.h"

static void on_request(weir_stream *s) {
	if (weir_is(s, "GET", "/")) {
		weir_reply(s, 200, "Hello from {{name}}.\n");
	} else if (weir_is(s, "GET", "/hello/{who}")) {
		const char *who = weir_param(s, "/hello/{who}", "who");
		const char *authority = weir_get(s, WEIR_REQUEST, ":authority");
		weir_reply(s, 200, weir_format("Hello, %s, at %s.\n", who, authority));
	} else {
		weir_reply(s, 404, "There is nothing here.\n");
	}
}

WEIR_FILTER(.on_request = on_request)
