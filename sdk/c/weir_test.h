/* weir_test.h: a host in memory, to test filters natively, with any compiler and debugger.
 *
 *     #include "weir_test.h"
 *
 *     int main(void) {
 *         weir_test *t = weir_test_start(NULL);
 *         weir_exchange *x = weir_test_get(t, "/");
 *         weir_test_equal(weir_test_field(x, "x-hello"), "from C");
 *         return weir_test_end(t);
 *     }
 *
 * Compile it together with the filter:  cc -DWEIR_TEST -g -fsanitize=address,undefined filter.c test.c
 * Sanitizers see what is kept for longer than it is good: under test, all that a callback is given is freed when
 * it has returned. The host behaves as weir does, or as another (weir_test_plain). Its clock stands still until
 * everybody waits, and then is put forward. */
#ifndef WEIR_TEST_H
#define WEIR_TEST_H

#define WEIR_NO_IMPLEMENTATION
#include "weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct weir_test weir_test;         /* a host, with the plugin */
typedef struct weir_exchange weir_exchange; /* a request, and what becomes of it */
typedef struct weir_test_call weir_test_call;
typedef void weir_test_answers(weir_test_call *c, void *arg);

/* Starts the plugin with a configuration, or none. A refusal fails the test. weir_test_start_as has a root id. */
static weir_test *weir_test_start(const char *config);
static weir_test *weir_test_start_as(const char *root_id, const char *config);
/* Starts it on a host that is not weir. */
static weir_test *weir_test_plain(const char *config);
/* Ends everything, and returns what main should. */
static int weir_test_end(weir_test *t);
/* Tells whether a configuration is refused, with this text in the log. */
static bool weir_test_refused(const char *config, const char *text);

/* A request that is not sent yet, and what there is to it. */
static weir_exchange *weir_test_request(weir_test *t, const char *method, const char *path);
static void weir_test_header(weir_exchange *x, const char *name, const char *value);
static void weir_test_body(weir_exchange *x, const char *chunk); /* one of them; an empty one at the end is one too */
static void weir_test_trailer(weir_exchange *x, const char *name, const char *value);
/* How what is behind the filter answers: 200 and nothing otherwise. */
static void weir_test_response(weir_exchange *x, int status, const char *body);
static void weir_test_response_header(weir_exchange *x, const char *name, const char *value);
static void weir_test_response_body(weir_exchange *x, const char *chunk);
static void weir_test_response_trailer(weir_exchange *x, const char *name, const char *value);

/* Sends it, and goes on until all is over. */
static void weir_test_run(weir_exchange *x);
/* Sends it, and goes on until the filter waits: true; or all is over: false. The clock stands still. */
static bool weir_test_step(weir_exchange *x);
/* Lets time pass, and what is due in it happen. */
static void weir_test_pass(weir_test *t, uint64_t milliseconds);
/* Frees it, which weir_test_end does otherwise: for tests with a million of them. */
static void weir_test_forget(weir_exchange *x);
/* The client takes no more of a reply that is written bit by bit: the filter hears of it. */
static void weir_test_gone(weir_exchange *x);
/* The client goes away. */
static void weir_test_cancel(weir_exchange *x);
static weir_exchange *weir_test_get(weir_test *t, const char *path); /* sends a request, and waits for all of it */

/* What the client got: status, 0 for none; a field, or NULL; the body; the fields of all interim answers. */
static int weir_test_status(weir_exchange *x);
static const char *weir_test_field(weir_exchange *x, const char *name);
static const char *weir_test_text(weir_exchange *x);
static const char *weir_test_trailer_field(weir_exchange *x, const char *name);
static const char *weir_test_hint(weir_exchange *x, const char *name);
/* What reached what is behind the filter. */
static bool weir_test_reached(weir_exchange *x);
static const char *weir_test_upstream_field(weir_exchange *x, const char *name);
static const char *weir_test_upstream_text(weir_exchange *x);

/* Upstreams for weir_fetch, by functions. What there is to a call: */
static void weir_test_upstream(weir_test *t, const char *name, weir_test_answers *answers, void *arg);
static const char *weir_test_call_field(weir_test_call *c, const char *name); /* ":path", and so on */
static const char *weir_test_call_text(weir_test_call *c);
/* and how it is answered: at once, unless told how many milliseconds it takes. */
static void weir_test_answer(weir_test_call *c, int status, const char *body);
static void weir_test_answer_header(weir_test_call *c, const char *name, const char *value);
static void weir_test_answer_chunk(weir_test_call *c, const char *chunk); /* makes it one that is read bit by bit */
static void weir_test_answer_later(weir_test_call *c, uint64_t milliseconds);
static void weir_test_answer_fails(weir_test_call *c, const char *message);
static int weir_test_calls(weir_test *t); /* how many there were */

static void weir_test_property(weir_test *t, const char *path, const char *value); /* "source.address" */
static void weir_test_store(weir_test *t, const char *space, const char *key, const char *value);
static const char *weir_test_stored(weir_test *t, const char *space, const char *key); /* NULL if nothing */
static void weir_test_deny(weir_test *t, const char *function); /* such as WEIR_CALL_STORE_GET */
static void weir_test_room(weir_test *t, size_t bytes);         /* how much of a reply is taken at a time */
static bool weir_test_logged(weir_test *t, const char *text);
static int64_t weir_test_metric(weir_test *t, const char *name);
static uint64_t weir_test_time(weir_test *t); /* milliseconds since the start */

#define weir_test_true(holds) weir_test_check((holds), #holds, __FILE__, __LINE__)
#define weir_test_equal(got, want) weir_test_same((got), (want), #got, __FILE__, __LINE__)
#define weir_test_number(got, want) weir_test_same_number((long long)(got), (long long)(want), #got, __FILE__, __LINE__)

#include "weir/test_data.h"
#include "weir/test_host.h"
#include "weir/test_foreign.h"
#include "weir/test_drive.h"
#include "weir/test_api.h"

#endif
