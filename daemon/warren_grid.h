/* Numbers and tables as people read them. */
#ifndef WARREN_DAEMON_WARREN_GRID_H
#define WARREN_DAEMON_WARREN_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    READABLE_SIZE = 32,
    GRID_COLUMNS_MAX = 12,
};

/* "999 B", "12.3 MB": units of a thousand, as networks count. Returns `text`. */
const char *readable_bytes(uint64_t bytes, char text[static READABLE_SIZE]);

/* "5s", "1m 20s", "2h 5m", "3d 4h". Returns `text`. */
const char *readable_seconds(uint64_t seconds, char text[static READABLE_SIZE]);

/* "0.4 ms", "123 ms", "1.2 s", from microseconds. Returns `text`. */
const char *readable_latency(uint64_t microseconds, char text[static READABLE_SIZE]);

/* Prints `words`, with '?' in the place of what could steer a terminal. */
void readable_print(FILE *file, const char *words);

enum warren_grid_colour {
    GRID_PLAIN,
    GRID_GOOD,
    GRID_DOUBTFUL,
    GRID_BAD,
};

/* Cells in rows; each is copied. Start with {.columns = n}. */
struct warren_grid {
    uint32_t columns;
    uint32_t count; /* of all cells */
    uint32_t room;
    struct warren_grid_cell *cells;
};

void warren_grid_cell(struct warren_grid *grid, enum warren_grid_colour colour, const char *words);
/* Aligned, two blanks between the columns. */
void warren_grid_print(const struct warren_grid *grid, FILE *file, bool coloured);
void warren_grid_free(struct warren_grid *grid);

/* Whether `file` is a terminal that is to be coloured (https://no-color.org). */
bool warren_grid_is_coloured(FILE *file);

#endif
