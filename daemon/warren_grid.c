/* Numbers and tables as people read them. */
#include "daemon/warren_grid.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"

struct warren_grid_cell {
    char *words;
    enum warren_grid_colour colour;
};

const char *readable_bytes(uint64_t bytes, char text[static READABLE_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        snprintf(text, READABLE_SIZE, "%" PRIu64 " B", bytes);
        return text;
    }
    /* Tenths of the unit, rounded down, so that 999.9 never becomes 1000.0. */
    uint32_t unit = 1;
    uint64_t tenths = bytes / 100;
    for (; tenths >= 10000; unit++)
        tenths /= 1000;
    check(unit < sizeof units / sizeof *units);
    snprintf(text, READABLE_SIZE, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
             units[unit]);
    return text;
}

const char *readable_seconds(uint64_t seconds, char text[static READABLE_SIZE])
{
    static const struct {
        uint64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint32_t i = 0;
    while (i < 3 && seconds < units[i].seconds)
        i++;
    if (i == 3)
        snprintf(text, READABLE_SIZE, "%" PRIu64 "s", seconds);
    else
        snprintf(text, READABLE_SIZE, "%" PRIu64 "%c %" PRIu64 "%c", seconds / units[i].seconds,
                 units[i].letter, seconds % units[i].seconds / units[i + 1].seconds,
                 units[i + 1].letter);
    return text;
}

const char *readable_latency(uint64_t microseconds, char text[static READABLE_SIZE])
{
    uint64_t tenths = (microseconds + 50) / 100;
    if (tenths < 1000)
        snprintf(text, READABLE_SIZE, "%" PRIu64 ".%" PRIu64 " ms", tenths / 10, tenths % 10);
    else if (tenths < 10000)
        snprintf(text, READABLE_SIZE, "%" PRIu64 " ms", tenths / 10);
    else
        snprintf(text, READABLE_SIZE, "%" PRIu64 ".%" PRIu64 " s", tenths / 10000,
                 tenths / 1000 % 10);
    return text;
}

void readable_print(FILE *file, const char *words)
{
    for (; *words != 0; words++)
        fputc((unsigned char)*words < ' ' || *words == 127 ? '?' : *words, file);
}

void warren_grid_cell(struct warren_grid *grid, enum warren_grid_colour colour, const char *words)
{
    check(grid->columns > 0 && grid->columns <= GRID_COLUMNS_MAX);
    check(grid->count <= grid->room);
    if (grid->count == grid->room) {
        uint32_t room = grid->room == 0 ? 8 * grid->columns : 2 * grid->room;
        struct warren_grid_cell *cells = realloc(grid->cells, room * sizeof *cells);
        if (cells == NULL)
            abort();
        grid->cells = cells;
        grid->room = room;
    }
    struct warren_grid_cell *cell = &grid->cells[grid->count++];
    cell->colour = colour;
    cell->words = strdup(words);
    if (cell->words == NULL)
        abort();
}

static void print_cell(const struct warren_grid_cell *cell, size_t width, FILE *file, bool coloured)
{
    static const char *const codes[] = {"", "\033[32m", "\033[33m", "\033[31m"};
    bool colour = coloured && cell->colour != GRID_PLAIN;
    fputs(colour ? codes[cell->colour] : "", file);
    readable_print(file, cell->words);
    fputs(colour ? "\033[0m" : "", file);
    /* Nothing is white at the end of a line. */
    for (size_t i = strlen(cell->words); i < width; i++)
        fputc(' ', file);
}

void warren_grid_print(const struct warren_grid *grid, FILE *file, bool coloured)
{
    check(grid->count % grid->columns == 0);
    size_t widths[GRID_COLUMNS_MAX] = {0};
    for (uint32_t i = 0; i < grid->count; i++) {
        size_t size = strlen(grid->cells[i].words) + 2;
        size_t *width = &widths[i % grid->columns];
        *width = size > *width ? size : *width;
    }
    widths[grid->columns - 1] = 0;
    for (uint32_t i = 0; i < grid->count; i++) {
        uint32_t column = i % grid->columns;
        print_cell(&grid->cells[i], widths[column], file, coloured);
        if (column == grid->columns - 1)
            fputc('\n', file);
    }
}

void warren_grid_free(struct warren_grid *grid)
{
    for (uint32_t i = 0; i < grid->count; i++)
        free(grid->cells[i].words);
    free(grid->cells);
    *grid = (struct warren_grid){.columns = grid->columns};
}

bool warren_grid_is_coloured(FILE *file)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no_color == NULL || no_color[0] == 0) && term != NULL && strcmp(term, "dumb") != 0 &&
           isatty(fileno(file));
}
