// A CGI program (RFC 3875) with one answer of each kind, chosen by PATH_INFO.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *variable(const char *name) {
	const char *value = getenv(name);
	return value ? value : "(unset)";
}

static void environment(void) {
	static const char *names[] = {
		"GATEWAY_INTERFACE", "SERVER_PROTOCOL", "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING",
		"CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_X_TWICE", "HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_COOKIE",
	};
	printf("Content-Type: text/plain\r\n\r\n");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) printf("%s=%s\n", names[i], variable(names[i]));
}

static void echo(void) {
	char buffer[4096];
	size_t n;
	printf("Content-Type: %s\nX-Length: %s\n\n", variable("CONTENT_TYPE"), variable("CONTENT_LENGTH"));
	while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0) fwrite(buffer, 1, n, stdout);
}

int main(void) {
	const char *path = variable("PATH_INFO");
	if (!strcmp(path, "/env")) {
		environment();
	} else if (!strcmp(path, "/echo")) {
		echo();
	} else if (!strcmp(path, "/status")) {
		printf("Status: 404 Not Here\nContent-Type: text/plain\n\nnothing\n");
	} else if (!strcmp(path, "/away")) {
		printf("Location: https://example.com/there\n\n");
	} else if (!strcmp(path, "/cookies")) {
		printf("Content-Type: text/plain\nSet-Cookie: a=1\nSet-Cookie: b=2\nX-CGI-Private: no\nConnection: close\n\nok\n");
	} else if (!strcmp(path, "/many")) {
		printf("Content-Type: application/octet-stream\n\n");
		for (int i = 0; i < 65536; i++) printf("%015d\n", i);
	} else if (!strcmp(path, "/exit")) {
		fprintf(stderr, "giving up\n");
		return 3;
	} else if (!strcmp(path, "/trap")) {
		__builtin_trap();
	} else {
		printf("Content-Type: text/plain\n\nhello from C\n");
	}
	return 0;
}
