/*
 * A small writer of JSON objects, one a line. Text that is not UTF-8 comes out as U+FFFD, so that
 * the line is always JSON.
 */
#ifndef WARREN_RUNNER_JSON_LINE_H
#define WARREN_RUNNER_JSON_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_line {
    FILE *file;
    bool first;
};

void json_line_begin(struct json_line *json, FILE *file);
void json_line_text(struct json_line *json, const char *name, const char *value);
void json_line_number(struct json_line *json, const char *name, uint64_t value);
void json_line_signed(struct json_line *json, const char *name, int64_t value);
void json_line_null(struct json_line *json, const char *name);
/* Ends the object and the line. */
void json_line_end(struct json_line *json);

#endif
