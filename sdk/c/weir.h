/* weir.h: filters and modules for weir, and for other hosts of Proxy-Wasm 0.2.1, in C11 and C++17.
 *
 *     #include "weir.h"
 *
 *     static void on_response(weir_stream *s) {
 *         weir_set(s, WEIR_RESPONSE, "x-hello", "from C");
 *     }
 *
 *     WEIR_FILTER(.on_response = on_response)
 *
 * One file includes it like that; further files of the same module define WEIR_NO_IMPLEMENTATION before. Neither
 * a C library nor anything else has to be linked. README.md has the build lines, and shows every feature.
 *
 * Whose is what. Everything that a function returns, and what a callback is given, is good until the callback
 * returns: copy what is to stay with weir_keep or weir_state, which last as long as the stream. What is given to a
 * function is the author's, and may be gone when the function has returned. Nothing is ever freed by hand.
 *
 * Statuses. What can fail returns one: WEIR_OK is 0, weir_reason says what another means.
 *
 * Waiting. A function that takes `then` calls it once, with an answer or with what went wrong, after the callback
 * that asked has returned. Until then the stream waits: the request, or the response, goes on after the last answer,
 * unless it was replied to. With 0 for `then` nothing is waited for, and nothing is heard. The client's going away
 * takes back what is under way: `then` is not called any more. */
#ifndef WEIR_H
#define WEIR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir_abi.h"

#ifdef __cplusplus
#define WEIR_EXTERN extern "C"
extern "C" {
#else
#define WEIR_EXTERN extern
#endif

#if defined(__GNUC__) || defined(__clang__)
#define WEIR_PRINTF(at) __attribute__((format(printf, at, at + 1)))
#else
#define WEIR_PRINTF(at)
#endif

/* Statuses beside the ABI's. */
enum {
	WEIR_UNSUPPORTED = WEIR_UNIMPLEMENTED, /* this host is not weir */
	WEIR_LATE = 100,                       /* it was replied already, or the request is over */
	WEIR_TOO_BIG = 101,                    /* more than was allowed for */
	WEIR_FULL = 102,                       /* it was taken, and the client should catch up before there is more */
	WEIR_GONE = 103,                       /* nobody takes the rest of the reply */
};

/* weir_reason says in words what a status means. */
const char *weir_reason(uint32_t status);

/* ---- Data ---- */

/* A request with its response, or, for what goes on beside, the use of the plugin. */
typedef struct weir_stream weir_stream;

/* Bytes, with a zero byte behind them that does not count. data is 0 where there are none at all. */
typedef struct weir_bytes {
	const char *data;
	size_t size;
} weir_bytes;

typedef struct weir_header {
	const char *name, *value;
} weir_header;

/* Whose header fields. For bodies, WEIR_REQUEST and WEIR_RESPONSE. */
enum {
	WEIR_REQUEST = WEIR_MAP_REQUEST_HEADERS,
	WEIR_REQUEST_TRAILERS = WEIR_MAP_REQUEST_TRAILERS,
	WEIR_RESPONSE = WEIR_MAP_RESPONSE_HEADERS,
	WEIR_RESPONSE_TRAILERS = WEIR_MAP_RESPONSE_TRAILERS,
};

/* Memory of the stream, and zeros at first: the same at every call, until the stream ends. */
void *weir_state(weir_stream *s, size_t size);
/* Further memory that lasts as long as the stream; zeros. 0 if there is none left. */
void *weir_alloc(weir_stream *s, size_t size);
/* Memory until the callback returns; not zeros. 0 if there is none left. */
void *weir_scratch(size_t size);
/* A copy of text that lasts as long as the stream. */
const char *weir_keep(weir_stream *s, const char *text);
/* What on_configure has filled in. It is another after the plugin was configured anew. */
const void *weir_settings(weir_stream *s);

/* ---- Header fields. Names are of any case; those of a head are ":method", ":path", ":authority", ":scheme",
 *      ":status". ---- */

/* The first value, or 0. */
const char *weir_get(weir_stream *s, int part, const char *name);
uint32_t weir_set(weir_stream *s, int part, const char *name, const char *value);
uint32_t weir_add(weir_stream *s, int part, const char *name, const char *value);
uint32_t weir_remove(weir_stream *s, int part, const char *name);

/* All fields, in their order:  weir_fields f = weir_all(s, WEIR_REQUEST);
 *                              while (weir_next(&f)) weir_info("%s: %s", f.name, f.value); */
typedef struct weir_fields {
	const char *name, *value;
	size_t value_size;
	const char *pairs; /* the rest is weir's */
	size_t size;
	uint32_t at, count, offset;
} weir_fields;
weir_fields weir_all(weir_stream *s, int part);
bool weir_next(weir_fields *f);

/* weir_is tells whether the request has this method (0: any) and a path, its query not counted, of this pattern:
 * "/hello/{who}" has something but "/" in the place of {who}, and {rest...} anything. weir_param returns what stands
 * there, decoded; 0 where the pattern is not the path's. */
bool weir_is(weir_stream *s, const char *method, const char *pattern);
const char *weir_param(weir_stream *s, const char *pattern, const char *name);
/* A parameter of the path's query, decoded; 0 if there is none. */
const char *weir_query(weir_stream *s, const char *name);
/* A cookie of the request; 0 if there is none. */
const char *weir_cookie(weir_stream *s, const char *name);
/* The response's status, 0 before there is one. */
int weir_status(weir_stream *s);

/* ---- Replies ---- */

/* A field of the reply, or of the hints, that comes next. */
uint32_t weir_reply_header(weir_stream *s, const char *name, const char *value);
uint32_t weir_reply(weir_stream *s, int status, const char *body);
uint32_t weir_reply_bytes(weir_stream *s, int status, const void *body, size_t size);
uint32_t weir_redirect(weir_stream *s, int status, const char *location);
/* A reply whose body is written later, on weir. weir_reply_write says WEIR_FULL when the client should catch up:
 * weir_reply_room calls then when it has, or with WEIR_GONE. */
uint32_t weir_reply_start(weir_stream *s, int status);
uint32_t weir_reply_write(weir_stream *s, const void *data, size_t size);
uint32_t weir_reply_end(weir_stream *s);
/* Early hints (103), or another interim status, with the fields of weir_reply_header; on weir. */
uint32_t weir_inform(weir_stream *s, int status);

/* ---- Bodies ---- */

/* A part of a body as it comes by. It goes on as it is, unless weir_write or weir_drop are called. */
typedef struct weir_chunk {
	const char *data;
	size_t size;
	bool last;
} weir_chunk;
/* Adds to what goes on in the place of the chunk. */
uint32_t weir_write(weir_stream *s, const void *data, size_t size);
/* Has nothing of the chunk go on but what is written. */
void weir_drop(weir_stream *s);
/* Has the rest of the body go by unseen. */
void weir_pass(weir_stream *s);

/* ---- Answers ---- */

typedef struct weir_answer {
	uint32_t error;        /* WEIR_OK, or why there is none */
	const char *message;   /* with an error: more about it. Never 0 */
	int status;            /* of a fetch */
	weir_bytes body;       /* of a fetch; a value of the store; a hash, a signature; a body that was read */
	uint64_t version;      /* of an entry of the store */
	bool right, renew;     /* a password or signature is right; its hash should be made anew */
	const char *algorithm; /* of a signature: HS256 or EdDSA */
	weir_bytes pairs, trailers, entries;
} weir_answer;

typedef void weir_then(weir_stream *s, weir_answer *a, void *arg);

/* A field of a fetch's answer, or 0; all of them; those behind the body. */
const char *weir_answer_get(weir_answer *a, const char *name);
weir_fields weir_answer_all(weir_answer *a);
weir_fields weir_answer_trailers(weir_answer *a);

/* ---- Calls of upstreams ---- */

typedef struct weir_call {
	const char *method;         /* GET */
	const char *path;           /* / */
	const char *authority;      /* the upstream's name */
	const weir_header *headers; /* the last has no name */
	const void *body;
	size_t body_size;
	uint32_t timeout; /* milliseconds; 0: as long as the host allows */
	size_t most;      /* of the answer's body; 0: 1 MiB. More of it is WEIR_TOO_BIG */
	/* The answer as it comes, where both are there or one of them: its head, and its body, which then is not
	 * collected. What comes is read no faster than weir_reply_write has room. */
	void (*on_head)(weir_stream *s, weir_answer *a, void *arg);
	void (*on_chunk)(weir_stream *s, weir_bytes chunk, void *arg);
} weir_call;

/* call may be 0. Redirects are not followed. */
uint32_t weir_fetch(weir_stream *s, const char *upstream, const weir_call *call, weir_then *then, void *arg);
uint32_t weir_sleep(weir_stream *s, uint64_t milliseconds, weir_then *then, void *arg);

/* Reads all of a body before the head goes on, on weir: a->body has it. At most so many bytes, else WEIR_TOO_BIG. It
 * is to be asked from on_request or on_response, or what these wait for. weir_set_body puts another in its place. */
uint32_t weir_read_body(weir_stream *s, int part, size_t most, weir_then *then, void *arg);
uint32_t weir_set_body(weir_stream *s, int part, const void *data, size_t size);
/* Takes a body chunk by chunk, as fast as the callback does, and has nothing of it go on; on weir. */
uint32_t weir_take_body(weir_stream *s, int part, void (*on_chunk)(weir_stream *, weir_bytes, void *), weir_then *then, void *arg);

uint32_t weir_reply_room(weir_stream *s, weir_then *then, void *arg);

/* ---- What weir keeps. A space is a name of the plugin's grants, or 0 for its own. wanted is the version that the
 *      entry must have: WEIR_WANTED_ANY, WEIR_WANTED_ABSENT, or a->version. ---- */

uint32_t weir_store_get(weir_stream *s, const char *space, const char *key, weir_then *then, void *arg);
/* ttl is in milliseconds, 0 for ever. */
uint32_t weir_store_put(weir_stream *s, const char *space, const char *key, const void *value, size_t size, uint64_t ttl, uint64_t wanted, weir_then *then, void *arg);
uint32_t weir_store_delete(weir_stream *s, const char *space, const char *key, uint64_t wanted, weir_then *then, void *arg);
/* The entries whose keys begin with prefix and come after after, at most so many, and 1 MiB. There are no more when
 * there is none. */
uint32_t weir_store_list(weir_stream *s, const char *space, const char *prefix, const char *after, uint32_t most, weir_then *then, void *arg);
typedef struct weir_entry {
	weir_bytes key, value;
	uint64_t version;
} weir_entry;
/* The next entry of a list:  weir_entry e; while (weir_answer_next(a, &e)) … */
bool weir_answer_next(weir_answer *a, weir_entry *e);

uint32_t weir_password_hash(weir_stream *s, const char *password, weir_then *then, void *arg);
uint32_t weir_password_verify(weir_stream *s, const char *hash, const char *password, weir_then *then, void *arg);
uint32_t weir_sign(weir_stream *s, const char *key, const void *message, size_t size, weir_then *then, void *arg);
uint32_t weir_verify(weir_stream *s, const char *key, const void *message, size_t size, const void *signature, size_t signature_size, weir_then *then, void *arg);

/* ---- What a host knows and counts ---- */

/* weir_property(s, "source", "address"): text and bytes as they are, numbers as eight bytes. */
#define weir_property(s, ...) weir_property_of((s), __VA_ARGS__, (const char *)0)
weir_bytes weir_property_of(weir_stream *s, ...);
int64_t weir_property_int(weir_bytes property);
uint32_t weir_set_property(weir_stream *s, const char *name, const void *value, size_t size);

/* What the instances of a plugin share. version is 0 to write unconditionally. */
uint32_t weir_shared_get(const char *key, weir_bytes *value, uint32_t *version);
uint32_t weir_shared_set(const char *key, const void *value, size_t size, uint32_t version);

uint32_t weir_counter_add(const char *name, int64_t n);
uint32_t weir_gauge_set(const char *name, uint64_t value);
uint32_t weir_gauge_add(const char *name, int64_t n);
uint32_t weir_histogram_record(const char *name, uint64_t value);

uint64_t weir_now(void); /* nanoseconds since 1970 */
uint32_t weir_random(void *to, size_t size);
bool weir_on_weir(void); /* and not on another host */

/* Formats know %s %.*s %c %d %i %u %x %zu %ld %lu %lx %lld %llu %llx %%, a width, and 0 before it. */
void weir_debug(const char *format, ...) WEIR_PRINTF(1);
void weir_info(const char *format, ...) WEIR_PRINTF(1);
void weir_warn(const char *format, ...) WEIR_PRINTF(1);
void weir_error(const char *format, ...) WEIR_PRINTF(1);
/* A text, until the callback returns. */
const char *weir_format(const char *format, ...) WEIR_PRINTF(1);

/* ---- JSON: configurations, and other texts ---- */

/* An object, or a list, or what is in one. 0 is as good as an empty one. */
typedef struct weir_value weir_value;

/* Each returns the value of a key in an object, or the default where there is none. Another type than wanted is
 * noted, and so is, for a configuration, what nobody has asked for: it is refused, with all of that at once. */
const char *weir_text(weir_value *v, const char *key, const char *otherwise);
int64_t weir_int(weir_value *v, const char *key, int64_t otherwise);
double weir_number(weir_value *v, const char *key, double otherwise);
bool weir_bool(weir_value *v, const char *key, bool otherwise);
/* A time, written as "1m30s", "250ms" or "7d", in milliseconds; a number of bytes, or "64KiB", "10MB". */
int64_t weir_duration(weir_value *v, const char *key, int64_t otherwise);
int64_t weir_size(weir_value *v, const char *key, int64_t otherwise);
weir_value *weir_object(weir_value *v, const char *key);
/* The first of a list, or 0; the next. What they are is told by the _item functions, and keys of objects as usual. */
weir_value *weir_list(weir_value *v, const char *key);
weir_value *weir_item_next(weir_value *v);
const char *weir_item_text(weir_value *v, const char *otherwise);
int64_t weir_item_int(weir_value *v, int64_t otherwise);
/* The members of an object, first and next; asked so, none is unknown. */
weir_value *weir_members(weir_value *v, const char *key);
const char *weir_item_key(weir_value *v);
bool weir_has(weir_value *v, const char *key);
/* Notes that a key is wrong, for an author's own reasons. */
void weir_refuse(weir_value *v, const char *key, const char *why);

/* A text that is JSON, good until the stream ends; 0 if it is none, or too large, and then *why says what is wrong. */
weir_value *weir_json(weir_stream *s, const char *data, size_t size, const char **why);
/* A text as JSON has it, quotes included, until the callback returns. */
const char *weir_json_quote(const char *text);

/* ---- The filter ---- */

typedef struct weir_filter {
	const char *root_id; /* where a module has several; 0 is for all other names */
	size_t settings;     /* the size of what on_configure fills in */
	/* Reads the configuration, with defaults; settings is zeros. What it keeps of texts stays. */
	void (*on_configure)(weir_value *config, void *settings);

	void (*on_request)(weir_stream *s);
	void (*on_request_body)(weir_stream *s, const weir_chunk *chunk);
	void (*on_request_trailers)(weir_stream *s);
	void (*on_response)(weir_stream *s);
	void (*on_response_body)(weir_stream *s, const weir_chunk *chunk);
	void (*on_response_trailers)(weir_stream *s);
	void (*on_log)(weir_stream *s); /* it is all over; nothing can be waited for */

	/* Beside the requests, once the plugin is configured and so many milliseconds apart: root may fetch, use the
	 * store, and so on. */
	void (*on_start)(weir_stream *root);
	void (*on_tick)(weir_stream *root);
	uint32_t tick;
} weir_filter;

extern const weir_filter weir_filters[];
extern const size_t weir_filters_count;

#ifdef __cplusplus
}
#endif

/* Designated initializers are C++20's; compilers have had them for long. */
#if defined(__clang__)
#define WEIR_QUIET _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wunknown-warning-option\"") _Pragma("clang diagnostic ignored \"-Wc++20-designator\"") _Pragma("clang diagnostic ignored \"-Wmissing-field-initializers\"")
#define WEIR_LOUD _Pragma("clang diagnostic pop")
#elif defined(__GNUC__) && __GNUC__ >= 12 && defined(__cplusplus)
#define WEIR_QUIET _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") _Pragma("GCC diagnostic ignored \"-Wc++20-extensions\"")
#define WEIR_LOUD _Pragma("GCC diagnostic pop")
#elif defined(__GNUC__)
#define WEIR_QUIET _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") _Pragma("GCC diagnostic ignored \"-Wpedantic\"")
#define WEIR_LOUD _Pragma("GCC diagnostic pop")
#else
#define WEIR_QUIET
#define WEIR_LOUD
#endif

/* One filter, by its callbacks, in their order above; or several, each in braces. */
#define WEIR_FILTER(...) WEIR_FILTERS({__VA_ARGS__})
#define WEIR_FILTERS(...) \
	WEIR_QUIET const weir_filter weir_filters[] = {__VA_ARGS__}; WEIR_LOUD \
	const size_t weir_filters_count = sizeof weir_filters / sizeof *weir_filters;

#ifndef WEIR_NO_IMPLEMENTATION
#include "weir/memory.h"
#include "weir/format.h"
#include "weir/guest.h"
#include "weir/header.h"
#include "weir/json.h"
#include "weir/value.h"
#include "weir/units.h"
#include "weir/wait.h"
#include "weir/reply.h"
#include "weir/body.h"
#include "weir/fetch.h"
#include "weir/service.h"
#include "weir/sleep.h"
#include "weir/exports.h"
#endif

#endif
