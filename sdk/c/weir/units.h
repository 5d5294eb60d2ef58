/* Numbers with units, as configurations have them. */
#ifndef WEIR_UNITS_H
#define WEIR_UNITS_H

typedef struct weir_unit {
	const char *name;
	double factor;
} weir_unit;

enum { WEIR_TIME_UNITS = 8, WEIR_SIZE_UNITS = 9 };
static const weir_unit weir_time_units[WEIR_TIME_UNITS] = {
	{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};
static const weir_unit weir_size_units[WEIR_SIZE_UNITS] = {
	{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"kB", 1000}, {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
};

static bool weir_digit(char c) { return c >= '0' && c <= '9'; }

/* The factor of the unit that text begins with; 0: it is none. *text is then behind it. */
static double weir_unit_read(const char **text, const weir_unit *units, size_t count) {
	size_t n = 0;
	while ((*text)[n] && !weir_digit((*text)[n])) n++;
	for (size_t i = 0; i < count; i++)
		if (strlen(units[i].name) == n && memcmp(units[i].name, *text, n) == 0) {
			*text += n;
			return units[i].factor;
		}
	return 0;
}

/* What a text such as 1m30s comes to, rounded down; -1: it is none, or beyond 2^53. */
static int64_t weir_measure(const char *text, const weir_unit *units, size_t count) {
	double sum = 0;
	do {
		double n = 0, part = 1;
		if (!weir_digit(*text)) return -1;
		for (; weir_digit(*text); text++) n = n * 10 + (*text - '0');
		if (*text == '.')
			for (text++; weir_digit(*text); text++) n += (part /= 10) * (*text - '0');
		double factor = weir_unit_read(&text, units, count);
		if (factor == 0) return -1;
		sum += n * factor;
	} while (*text);
	return sum < 9007199254740992.0 ? (int64_t)(sum + 1e-6) : -1;
}

int64_t weir_duration(weir_value *v, const char *key, int64_t otherwise) {
	weir_value *m = weir_member(v, key);
	if (!m) return otherwise;
	int64_t n = m->type != WEIR_JSON_TEXT ? -1 : strcmp(m->text, "0") == 0 ? 0 : weir_measure(m->text, weir_time_units, WEIR_TIME_UNITS);
	if (n >= 0) return n;
	weir_json_wanted(m, "a time such as 1m30s");
	return otherwise;
}

int64_t weir_size(weir_value *v, const char *key, int64_t otherwise) {
	weir_value *m = weir_member(v, key);
	if (!m) return otherwise;
	if (m->type == WEIR_JSON_NUMBER && m->whole && m->integer >= 0) return m->integer;
	if (m->type == WEIR_JSON_TEXT) {
		int64_t n = weir_measure(m->text, weir_size_units, WEIR_SIZE_UNITS);
		if (n >= 0) return n;
	}
	weir_json_wanted(m, "a size such as 64KiB");
	return otherwise;
}

#endif
