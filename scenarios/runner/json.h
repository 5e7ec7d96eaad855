/*
 * A small writer of JSON objects, one a line. Text that is not UTF-8 comes out as U+FFFD, so that
 * the line is always JSON.
 */
#ifndef WARREN_RUNNER_JSON_H
#define WARREN_RUNNER_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *file;
    bool first;
};

void json_begin(struct json *json, FILE *file);
void json_text(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, uint64_t value);
void json_signed(struct json *json, const char *name, int64_t value);
void json_null(struct json *json, const char *name);
/* Ends the object and the line. */
void json_end(struct json *json);

#endif
