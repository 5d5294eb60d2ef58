/* What every.c does, on weir's host in memory and on another. */
#include "weir_test.h"

static void headers(void) {
	weir_test *t = weir_test_start_as("headers", NULL);
	weir_test_property(t, "source.address", "192.0.2.1:9");
	weir_exchange *x = weir_test_request(t, "GET", "/a?b=c&name=d%20e+f%zz&name=g");
	weir_test_header(x, "x-add", "one");
	weir_test_header(x, "x-gone", "here");
	weir_test_header(x, "cookie", "a=b; id=42; c");
	weir_test_response(x, 204, NULL);
	weir_test_run(x);
	weir_test_equal(weir_test_upstream_field(x, "x-set"), "one");
	weir_test_equal(weir_test_upstream_field(x, "x-add"), "one");
	weir_test_equal(weir_test_upstream_field(x, "x-gone"), NULL);
	weir_test_equal(weir_test_upstream_field(x, "x-count"), "8");
	weir_test_equal(weir_test_upstream_field(x, "x-query"), "d e f%zz");
	weir_test_equal(weir_test_upstream_field(x, "x-cookie"), "42");
	weir_test_equal(weir_test_field(x, "x-state"), "8 of 204");
	weir_test_equal(weir_test_field(x, "x-source"), "192.0.2.1:9");
	weir_test_equal(weir_test_field(x, "x-shared"), "value");
	weir_test_number(weir_test_metric(t, "responses"), 1);
	weir_test_number(weir_test_metric(t, "last"), 5);
	weir_test_number(weir_test_metric(t, "sizes"), 3);
	weir_test_true(weir_test_logged(t, "debug: nothing is shared\n"));
	weir_test_true(weir_test_logged(t, "info: a|   42|-0042|1\n"));
	weir_test_true(weir_test_logged(t, "warn: ff c % -5 6 7 -8 9 xy\n"));
	weir_test_true(weir_test_logged(t, "info: /a?b=c&name=d%20e+f%zz&name=g took 204\n"));
	x = weir_test_get(t, "/away?x");
	weir_test_number(weir_test_status(x), 302);
	weir_test_equal(weir_test_field(x, "location"), "/there");
	weir_test_true(!weir_test_reached(x));
	weir_test_equal(weir_test_field(x, "x-state"), NULL); /* it replied itself */
	weir_test_equal(weir_test_text(weir_test_get(t, "/hello/a%20b/c+d?e/f")), "a b|c+d|1");
	weir_test_equal(weir_test_text(weir_test_get(t, "/hello/a/")), "a||0");
	weir_test_equal(weir_test_text(weir_test_get(t, "/hello/a/b/c")), "a|b/c|0");
	weir_test_true(weir_test_reached(weir_test_get(t, "/hello//b")));
	weir_test_true(weir_test_refused("{\"a\": 1}", "no filter of this root id"));
	weir_test_end(t);
}

static void users(weir_test_call *c, void *arg) {
	const char *mode = (const char *)arg;
	weir_test_equal(weir_test_call_field(c, ":authority"), "users");
	if (!strcmp(mode, "fails")) weir_test_answer_fails(c, "connection refused");
	if (!strcmp(mode, "slow")) weir_test_answer_later(c, 5000);
	if (!strcmp(mode, "denies")) weir_test_answer(c, 403, "no");
	if (!strcmp(mode, "long"))
		for (int i = 0; i < 30; i++) weir_test_answer_chunk(c, "12345");
	if (!strcmp(mode, "breaks")) {
		weir_test_answer_chunk(c, "12345");
		weir_test_answer_chunk(c, "12345");
		weir_test_answer_fails(c, "broke off");
	}
	if (strcmp(mode, "knows") != 0) return;
	weir_test_equal(weir_test_call_field(c, "cookie"), "id=1");
	weir_test_answer(c, 200, "ada");
	weir_test_answer_header(c, "content-type", "text/plain");
	weir_test_answer_later(c, 200);
}

static weir_exchange *asks(weir_test *t, const char *mode) {
	weir_test_upstream(t, "users", users, (void *)mode);
	weir_exchange *x = weir_test_request(t, "GET", "/");
	weir_test_header(x, "cookie", "id=1");
	weir_test_run(x);
	return x;
}

static void auth(bool plain) {
	weir_test *t = plain ? weir_test_plain(NULL) : weir_test_start_as("auth", NULL);
	if (plain) {
		weir_test_end(t);
		t = wt_start("auth", NULL, true);
	}
	weir_exchange *x = weir_test_get(t, "/"); /* nobody is called users yet */
	weir_test_number(weir_test_status(x), 502);
	x = asks(t, "knows");
	weir_test_equal(weir_test_upstream_field(x, "x-user"), "ada");
	weir_test_equal(weir_test_upstream_field(x, "x-kind"), "text/plain");
	weir_test_equal(weir_test_field(x, "x-slept"), "yes");
	weir_test_number(weir_test_time(t), 270);
	x = asks(t, "denies");
	weir_test_number(weir_test_status(x), 401);
	weir_test_equal(weir_test_text(x), "who are you?");
	weir_test_equal(weir_test_field(x, "www-authenticate"), "Basic");
	weir_test_true(!weir_test_reached(x));
	x = asks(t, "fails");
	weir_test_number(weir_test_status(x), 502);
	weir_test_true(weir_test_logged(t, "users: connection refused"));
	x = asks(t, "slow");
	weir_test_number(weir_test_status(x), 502);
	weir_test_true(weir_test_logged(t, "users: timeout"));
	x = asks(t, "long");
	weir_test_number(weir_test_status(x), 502);
	weir_test_true(weir_test_logged(t, "users: too big"));
	if (!plain) {
		x = asks(t, "breaks");
		weir_test_true(weir_test_logged(t, "users: broke off"));
		weir_test_deny(t, WEIR_CALL_FETCH);
		asks(t, "knows");
		weir_test_true(weir_test_logged(t, "users: grant it"));
	}
	weir_test_end(t);
}

static void leaving(void) {
	weir_test *t = weir_test_start_as("auth", NULL);
	weir_test_upstream(t, "users", users, (void *)"knows");
	weir_exchange *x = weir_test_request(t, "GET", "/"), *y = weir_test_request(t, "GET", "/");
	weir_test_header(x, "cookie", "id=1");
	weir_test_header(y, "cookie", "id=1");
	weir_test_true(weir_test_step(x));
	weir_test_cancel(x);
	weir_test_true(weir_test_step(y));
	weir_test_pass(t, 199);
	weir_test_true(weir_test_step(y));
	weir_test_pass(t, 1000);
	weir_test_number(weir_test_status(x), 0);
	weir_test_number(weir_test_status(y), 200);
	weir_test_end(t);
}

static void store(void) {
	weir_test *t = weir_test_start_as("store", NULL);
	weir_test_store(t, NULL, "na", "1");
	weir_test_store(t, NULL, "gone", "1");
	weir_test_store(t, "", "other", "1");
	weir_test_store(t, "space", "nb", "elsewhere");
	weir_test_equal(weir_test_text(weir_test_get(t, "/")), "na=1;nb=2;");
	weir_test_equal(weir_test_text(weir_test_get(t, "/")), "2");
	weir_test_equal(weir_test_stored(t, NULL, "gone"), NULL);
	weir_test_equal(weir_test_text(weir_test_get(t, "/?space=space")), "elsewhere");
	weir_test_deny(t, WEIR_CALL_STORE_GET);
	weir_test_number(weir_test_status(weir_test_get(t, "/")), 500);
	weir_test_end(t);
	t = wt_start("store", NULL, true);
	weir_test_equal(weir_test_text(weir_test_get(t, "/")), "not supported here");
	weir_test_end(t);
}

static weir_exchange *posts(weir_test *t, const char *a, const char *b, const char *c) {
	weir_exchange *x = weir_test_request(t, "POST", "/");
	if (a) weir_test_body(x, a), weir_test_response_body(x, a);
	if (b) weir_test_body(x, b), weir_test_response_body(x, b);
	if (c) weir_test_body(x, c), weir_test_response_body(x, c);
	return x;
}

static void bodies(bool plain) {
	weir_test *t = wt_start("bodies", NULL, plain);
	weir_exchange *x = posts(t, "one", "two", "three");
	weir_test_header(x, "content-length", "11");
	weir_test_run(x);
	weir_test_equal(weir_test_upstream_text(x), "(one)(two)(three)");
	weir_test_equal(weir_test_upstream_field(x, "content-length"), plain ? NULL : "11"); /* weir sees to it */
	weir_test_equal(weir_test_text(x), "ONETWOTHREE!");
	x = posts(t, NULL, NULL, NULL);
	weir_test_header(x, "content-length", "0");
	weir_test_run(x);
	weir_test_equal(weir_test_text(x), "");
	weir_test_equal(weir_test_upstream_field(x, "content-length"), "0");
	x = posts(t, "a", "", NULL);
	weir_test_response_trailer(x, "x-a", "b");
	weir_test_run(x);
	weir_test_equal(weir_test_text(x), "A!");
	weir_test_equal(weir_test_trailer_field(x, "x-trailer"), "seen");
	weir_test_end(t);
	t = wt_start("pass", NULL, plain);
	x = posts(t, "one", "two", "three");
	weir_test_run(x);
	weir_test_equal(weir_test_text(x), "twothree");
	weir_test_end(t);
}

static void whole(void) {
	weir_test *t = weir_test_start_as("whole", NULL);
	weir_exchange *x = posts(t, "one", "two", NULL);
	weir_test_run(x);
	weir_test_equal(weir_test_upstream_text(x), "<onetwo>");
	weir_test_equal(weir_test_upstream_field(x, "x-size"), "6");
	weir_test_equal(weir_test_text(x), "<onetwo>");
	weir_test_equal(weir_test_field(x, "x-size"), "6");
	x = posts(t, NULL, NULL, NULL);
	weir_test_run(x);
	weir_test_equal(weir_test_upstream_text(x), "<>");
	weir_test_equal(weir_test_field(x, "x-size"), "0");
	x = posts(t, "one", "", NULL);
	weir_test_trailer(x, "x-t", "y");
	weir_test_run(x);
	weir_test_equal(weir_test_upstream_text(x), "<one>");
	x = posts(t, "more than may be there", NULL, NULL);
	weir_test_run(x);
	weir_test_number(weir_test_status(x), 413);
	weir_test_equal(weir_test_text(x), "too big");
	x = posts(t, "more than", " may be", " there, at last");
	weir_test_true(!weir_test_step(x));
	weir_test_number(weir_test_status(x), 413);
	weir_test_end(t);
	t = wt_start("whole", NULL, true);
	x = posts(t, "one", NULL, NULL);
	weir_test_run(x);
	weir_test_equal(weir_test_text(x), "not supported here");
	weir_test_end(t);
	t = weir_test_start_as("take", NULL);
	x = posts(t, "one", "two", "three");
	weir_test_run(x);
	weir_test_equal(weir_test_text(x), "11 in 3");
	weir_test_true(!weir_test_reached(x));
	weir_test_end(t);
}

static void model(weir_test_call *c, void *arg) {
	weir_test_equal(weir_test_call_text(c), "question");
	weir_test_answer_header(c, "x-name", "model");
	for (int i = 0; i < 5; i++) weir_test_answer_chunk(c, "word ");
	if (arg) weir_test_answer_fails(c, "broke off");
}

static void replies(void) {
	weir_test *t = weir_test_start_as("events", NULL);
	weir_test_room(t, 20);
	weir_exchange *x = weir_test_get(t, "/");
	weir_test_number(weir_test_status(x), 200);
	weir_test_equal(weir_test_field(x, "content-type"), "text/event-stream");
	weir_test_equal(weir_test_hint(x, "link"), "</style.css>; rel=preload");
	weir_test_equal(weir_test_text(x), "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\ndata: 5\n\n");
	weir_test_equal(weir_test_trailer_field(x, "x-end"), "yes");
	weir_test_true(weir_test_time(t) >= 1000);
	x = weir_test_request(t, "GET", "/");
	weir_test_true(weir_test_step(x));
	weir_test_equal(weir_test_text(x), "data: 0\n\ndata: 1\n\n");
	weir_test_cancel(x);
	weir_test_room(t, 5);
	x = weir_test_request(t, "GET", "/");
	weir_test_true(weir_test_step(x));
	weir_test_gone(x);
	weir_test_true(weir_test_logged(t, "events: nobody takes the rest"));
	weir_test_cancel(x);
	weir_test_end(t);
	t = wt_start("events", NULL, true);
	weir_test_equal(weir_test_text(weir_test_get(t, "/")), "not supported here");
	weir_test_end(t);

	t = weir_test_start_as("relay", NULL);
	weir_test_number(weir_test_status(weir_test_get(t, "/")), 502);
	weir_test_upstream(t, "model", model, NULL);
	weir_test_room(t, 7);
	x = weir_test_get(t, "/");
	weir_test_equal(weir_test_text(x), "word word word word word ");
	weir_test_equal(weir_test_field(x, "x-from"), "model");
	weir_test_true(weir_test_time(t) >= 2); /* it waited for room */
	x = weir_test_request(t, "GET", "/");
	weir_test_true(weir_test_step(x));
	weir_test_gone(x);
	weir_test_true(weir_test_logged(t, "relay: nobody takes the rest"));
	weir_test_cancel(x);
	weir_test_upstream(t, "model", model, t);
	x = weir_test_get(t, "/");
	weir_test_true(weir_test_logged(t, "relay: broke off"));
	weir_test_end(t);
}

static void secrets(void) {
	weir_test *t = weir_test_start_as("secrets", NULL);
	weir_test_equal(weir_test_text(weir_test_get(t, "/")), "yes random");
	weir_test_true(weir_test_logged(t, "signed with HS256"));
	weir_test_end(t);
}

static const char *with(const char *config, const char *path) {
	static char text[500];
	weir_test *t = weir_test_start_as("settings", config);
	snprintf(text, sizeof text, "%s", weir_test_text(weir_test_get(t, path)));
	weir_test_end(t);
	return text;
}

static bool refuses(const char *config, const char *why) {
	weir_test *t = wt_start("settings", config, false);
	bool ok = t->refused && weir_test_logged(t, why);
	if (!ok) fprintf(stderr, "%s: %s\n", config, wt_text(&t->log));
	weir_test_end(t);
	return ok;
}

static void settings(void) {
	weir_test_equal(with("{\"wait\": \"1h1.5m2s30ms\", \"most\": \"1.5KiB\"}", "/?units=1"), "3692030 1536");
	weir_test_equal(with("{\"wait\": \"0\", \"most\": 7}", "/?units=1"), "0 7");
	weir_test_equal(with("{\"wait\": \"1.001s\", \"most\": \"64\"}", "/?units=1"), "1001 64");
	weir_test_equal(with("{\"wait\": \"2d\"}", "/?units=1"), "172800000 1024");
	static const char *const times[] = {"5", "\"\"", "\"5\"", "\"m\"", "\"-1s\"", "\"1 s\"", "\"1s \"", "\"1.s.\"", "\"1y\"", "\"99999999999999d\""};
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		char config[64];
		snprintf(config, sizeof config, "{\"wait\": %s}", times[i]);
		weir_test_true(refuses(config, "where a time such as 1m30s is wanted"));
	}
	weir_test_true(refuses("{\"most\": -1}", "most: is a number, where a size such as 64KiB is wanted"));
	weir_test_true(refuses("{\"most\": \"64 X\"}", "most: is a text, where a size such as 64KiB is wanted"));
	weir_test_equal(with(NULL, "/"), "nobody 10 1 500 0 0 - \"\\\"\\\\\\u000a\xc3\xa4\"");
	weir_test_equal(with(" { } ", "/"), "nobody 10 1 500 0 0 - \"\\\"\\\\\\u000a\xc3\xa4\"");
	weir_test_equal(with("{\"name\": \"\\u00e9\\ud83d\\ude00\\n\", \"limit\": -0, \"on\":false, \"more\": {\"rate\": 12.5e-1}, \"items\": [\"x\", \"y\", \"xx\"], \"users\": {\"a\": 3, \"b\": 5}}", "/?json={\"a\":\"c\"}"),
		"\xc3\xa9\xf0\x9f\x98\x80\n 0 0 1250 2 3 c \"\\\"\\\\\\u000a\xc3\xa4\"");
	weir_test_equal(with(NULL, "/?json={\"a\":"), "nobody 10 1 500 0 0 there is no value \"\\\"\\\\\\u000a\xc3\xa4\"");
	weir_test_true(refuses("{\"name\": 5, \"limit\": 1.5, \"on\": \"yes\", \"more\": {\"rate\": \"fast\", \"rats\": 1}, \"items\": [\"x\", 7], \"users\": [], \"what\": {}}",
		"configuration refused: name: is a number, where a text is wanted; limit: is a number, where a whole number is wanted; on: is a text, where true or false is wanted; "
		"more.rate: is a text, where a number is wanted; items[1]: is a number, where a text is wanted; users: is a list, where an object is wanted; "
		"more.rats: there is no such setting; what: there is no such setting\n"));
	weir_test_true(refuses("{\"limit\": -1, \"more\": {\"rate\": 0}}", "limit: must not be negative; more.rate: must be more than 0\n"));
	weir_test_true(refuses("[]", "is a list, where an object is wanted"));
	weir_test_true(refuses("{\"a\": 1, \"a\": 2}", "a key is there twice"));
	weir_test_true(refuses("{\"a\": 1} x", "there is something behind it"));
	weir_test_true(refuses("{\"limit\": 9223372036854775808}", "whole number is wanted"));
	weir_test_true(refuses("{\"name\": \"\\ud800\"}", "half of a character"));
	weir_test_true(refuses("{\"name\": \"\xff\"}", "no UTF-8"));
	weir_test_true(refuses("{\"name\": \"a\\u0000b\"}", "\\u0000"));
	weir_test_true(refuses("{\"name\": tru}", "no value"));
	weir_test_true(refuses("{\"limit\": 01}", "begins with 0"));
}

static void beside(bool plain) {
	weir_test *t = wt_start("beside", NULL, plain);
	weir_test_true(!t->refused);
	weir_test_true(weir_test_logged(t, "started: not what is wanted")); /* there is no such upstream */
	weir_test_pass(t, 101);
	weir_test_number(weir_test_metric(t, "ticks"), 10);
	weir_test_upstream(t, "users", users, (void *)"slow");
	weir_exchange *x = weir_test_get(t, "/");
	weir_test_number(weir_test_status(x), 200);
	weir_test_number(weir_test_time(t), 136);
	weir_test_number(weir_test_calls(t), 1);
	weir_test_number(weir_test_metric(t, "ticks"), 13);
	weir_test_pass(t, 10000); /* the answer that nobody waits for comes */
	weir_test_end(t);
}

/* Texts that are nearly right. */
static void hostile(void) {
	static const char *const seeds[] = {"{\"a\":[1,-2.5e3,\"\\u00e9\\n\",true,null,{}]}", "{\"name\":\"\xf0\x9f\x98\x80\",\"more\":{\"rate\":0.25}}", "[[[[[[[[]]]]]]]]", "\"\\ud83d\\ude00\""};
	uint32_t random = 1;
	weir_test *t = weir_test_start_as("settings", NULL);
	for (int i = 0; i < 20000; i++) {
		char text[128] = "/?json=", *p = text + 7;
		strcpy(p, seeds[i & 3]);
		size_t n = strlen(p);
		for (int k = i % 4; k >= 0; k--) {
			random = random * 1664525 + 1013904223;
			p[random >> 8 & 0x7fffff ? (random >> 8) % n : 0] = (char)(random >> 24 ? random >> 24 : 1);
		}
		weir_exchange *x = weir_test_get(t, text);
		weir_test_true(weir_test_status(x) == 200);
		weir_test_forget(x);
	}
	weir_test_end(t);
}

static void soak(void) {
	weir_test *t = weir_test_start_as("auth", NULL);
	weir_test_upstream(t, "users", users, (void *)"knows");
	for (int i = 0; i < 20000; i++) {
		weir_exchange *x = weir_test_request(t, "GET", "/");
		weir_test_header(x, "cookie", "id=1");
		if (i & 1)
			weir_test_run(x);
		else
			weir_test_step(x);
		weir_test_forget(x);
	}
	weir_test_end(t);
}

int main(void) {
	headers();
	auth(false);
	auth(true);
	leaving();
	store();
	bodies(false);
	bodies(true);
	whole();
	replies();
	secrets();
	settings();
	beside(false);
	beside(true);
	hostile();
	soak();
	return wt_failures ? 1 : 0;
}
