// An http-wasm guest: counts in the request context, adds fields both ways, and answers
// /teapot itself.
#include <stdint.h>
#include <string.h>

#define IMPORT(name) __attribute__((import_module("http_handler"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

enum { REQUEST = 0, RESPONSE = 1 };

IMPORT(get_uri) uint32_t get_uri(char *buffer, uint32_t limit);
IMPORT(set_header_value) void set(uint32_t kind, const char *name, uint32_t nameSize, const char *value, uint32_t valueSize);
IMPORT(set_status_code) void set_status(uint32_t status);
IMPORT(write_body) void write_body(uint32_t kind, const char *body, uint32_t size);

#define SET(kind, name, value) set(kind, name, sizeof name - 1, value, sizeof value - 1)

EXPORT(handle_request) uint64_t handle_request(void) {
	static const char teapot[] = "/teapot", body[] = "short and stout\n";
	char uri[256];
	uint32_t n = get_uri(uri, sizeof uri);
	if (n == sizeof teapot - 1 && memcmp(uri, teapot, n) == 0) {
		set_status(418);
		SET(RESPONSE, "content-type", "text/plain");
		write_body(RESPONSE, body, sizeof body - 1);
		return 0;
	}
	SET(REQUEST, "x-guest", "C");
	return (uint64_t)7 << 32 | 1;
}

EXPORT(handle_response) void handle_response(uint32_t context, uint32_t failed) {
	if (context == 7) SET(RESPONSE, "x-guest", "C");
}
