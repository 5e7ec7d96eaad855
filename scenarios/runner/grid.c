/* The grid of several meshes. */
#include "scenarios/runner/grid.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

enum { CELL_SIZE = 64 };

static const char own[] = "warren";

static const struct {
    const char *name;
    const char *paint;
} kinds[GRID_KINDS] = {
    [GRID_NONE] = {"", ""},
    [GRID_SKIPPED] = {"-", "\033[2m"},
    [GRID_DIRECT] = {"direct", "\033[32m"},
    [GRID_RELAYED] = {"relayed", "\033[33m"},
    [GRID_FAILED] = {"failed", "\033[31m"},
    [GRID_BROKEN] = {"?", "\033[31m"},
};

bool grid_is_for(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->scenario_count; i++)
        if (plan->scenarios[i].program[0] != 0 && plan->scenarios[i].row[0] != 0)
            return true;
    return false;
}

/* ---- Filling ---- */

/* GRID_PROGRAMS_MAX when there is no room for another. */
static uint32_t find_program(struct grid *grid, const char *name)
{
    uint32_t i = 0;
    while (i < grid->program_count && strcmp(grid->programs[i], name) != 0)
        i++;
    if (i == grid->program_count && i < GRID_PROGRAMS_MAX)
        strcpy(grid->programs[grid->program_count++], name);
    return i;
}

static struct grid_row *find_row(struct grid *grid, const struct plan_scenario *scenario)
{
    for (uint32_t i = 0; i < grid->row_count; i++)
        if (strcmp(grid->rows[i].a, scenario->row) == 0 &&
            strcmp(grid->rows[i].b, scenario->column) == 0)
            return &grid->rows[i];
    /* Lists double, so their room is a power of two. */
    uint32_t count = grid->row_count;
    if ((count & (count - 1)) == 0) {
        uint32_t room = count == 0 ? 1 : count * 2;
        struct grid_row *grown = realloc(grid->rows, room * sizeof *grown);
        check(grown != NULL);
        grid->rows = grown;
    }
    struct grid_row *row = &grid->rows[grid->row_count++];
    *row = (struct grid_row){.a = ""};
    strcpy(row->a, scenario->row);
    strcpy(row->b, scenario->column);
    return row;
}

/* The worst stays; among equals the one that took longer. */
static void put(struct grid *grid, const struct plan_scenario *scenario,
                const struct grid_cell *cell)
{
    if (scenario->row[0] == 0)
        return;
    uint32_t program = find_program(grid, plan_program(scenario));
    if (program == GRID_PROGRAMS_MAX)
        return;
    struct grid_cell *at = &find_row(grid, scenario)->cells[program];
    uint64_t was_ns = at->kind == GRID_DIRECT ? at->direct_ns : at->first_ns;
    uint64_t is_ns = cell->kind == GRID_DIRECT ? cell->direct_ns : cell->first_ns;
    if (cell->kind > at->kind || (cell->kind == at->kind && is_ns > was_ns))
        *at = *cell;
}

void grid_add(struct grid *grid, const struct plan_scenario *scenario, const struct judge_sum *sum)
{
    struct grid_cell cell = {
        .kind = GRID_FAILED, .first_ns = sum->first_inner_ns, .direct_ns = sum->direct_ns};
    if (sum->path == NODE_PATH_DIRECT)
        cell.kind = GRID_DIRECT;
    else if (sum->path == NODE_PATH_RELAYED)
        cell.kind = GRID_RELAYED;
    put(grid, scenario, &cell);
}

void grid_miss(struct grid *grid, const struct plan_scenario *scenario, bool skipped)
{
    const struct grid_cell cell = {.kind = skipped ? GRID_SKIPPED : GRID_BROKEN,
                                   .first_ns = JUDGE_NEVER,
                                   .direct_ns = JUDGE_NEVER};
    put(grid, scenario, &cell);
}

/* ---- Comparing ---- */

static bool was_run(const struct grid_cell *cell)
{
    return cell->kind >= GRID_DIRECT && cell->kind <= GRID_FAILED;
}

/* The number of Warren's column; GRID_PROGRAMS_MAX when there is none. */
static uint32_t own_column(const struct grid *grid)
{
    for (uint32_t i = 0; i < grid->program_count; i++)
        if (strcmp(grid->programs[i], own) == 0)
            return i;
    return GRID_PROGRAMS_MAX;
}

/* Names the meshes that are direct where Warren is not; 0: there are none. */
static uint32_t better_ones(const struct grid *grid, const struct grid_row *row,
                            char names[static GRID_TEXT_SIZE])
{
    uint32_t column = own_column(grid), count = 0;
    size_t size = 0;
    names[0] = 0;
    if (column == GRID_PROGRAMS_MAX || !was_run(&row->cells[column]) ||
        row->cells[column].kind == GRID_DIRECT)
        return 0;
    for (uint32_t i = 0; i < grid->program_count; i++) {
        if (row->cells[i].kind != GRID_DIRECT)
            continue;
        snprintf(names + size, GRID_TEXT_SIZE - size, "%s%s", count++ > 0 ? ", " : "",
                 grid->programs[i]);
        size = strlen(names);
    }
    return count;
}

enum grid_result grid_compare(const struct grid *grid, char pairs[static GRID_TEXT_SIZE])
{
    enum grid_result result = GRID_NOT_COMPARED;
    uint32_t column = own_column(grid);
    size_t size = 0;
    pairs[0] = 0;
    for (uint32_t i = 0; column != GRID_PROGRAMS_MAX && i < grid->row_count; i++) {
        const struct grid_row *row = &grid->rows[i];
        char names[GRID_TEXT_SIZE];
        for (uint32_t k = 0; k < grid->program_count && result == GRID_NOT_COMPARED; k++)
            if (k != column && was_run(&row->cells[k]) && was_run(&row->cells[column]))
                result = GRID_AS_GOOD;
        if (better_ones(grid, row, names) == 0)
            continue;
        snprintf(pairs + size, GRID_TEXT_SIZE - size, "%s%s x %s with %s", size > 0 ? "; " : "",
                 row->a, row->b, names);
        size = strlen(pairs);
        result = GRID_BEATEN;
    }
    return result;
}

/* ---- Printing ---- */

/* "1.20", or "never". */
static int write_seconds(char to[static CELL_SIZE], uint64_t ns)
{
    uint64_t hundredths = ns == JUDGE_NEVER ? 0 : (ns + 5000000) / 10000000;
    if (ns == JUDGE_NEVER)
        return snprintf(to, CELL_SIZE, "never");
    return snprintf(to, CELL_SIZE, "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100);
}

static const char *cell_text(const struct grid_cell *cell, char text[static CELL_SIZE])
{
    char first[CELL_SIZE], direct[CELL_SIZE];
    check(cell->kind < GRID_KINDS);
    write_seconds(first, cell->first_ns);
    write_seconds(direct, cell->direct_ns);
    if (cell->kind == GRID_DIRECT)
        snprintf(text, CELL_SIZE, "%s %.16s/%.16s", kinds[cell->kind].name, first, direct);
    else if (cell->kind == GRID_RELAYED)
        snprintf(text, CELL_SIZE, "%s %.16s", kinds[cell->kind].name, first);
    else
        snprintf(text, CELL_SIZE, "%s", kinds[cell->kind].name);
    return text;
}

static int width_of(const struct grid *grid, uint32_t program)
{
    char text[CELL_SIZE];
    int width = (int)strlen(grid->programs[program]);
    for (uint32_t i = 0; i < grid->row_count; i++) {
        int size = (int)strlen(cell_text(&grid->rows[i].cells[program], text));
        width = size > width ? size : width;
    }
    return width;
}

static void print_rows(FILE *file, const struct grid *grid, int first,
                       const int widths[static GRID_PROGRAMS_MAX], bool colour)
{
    const char *caller = "";
    char text[CELL_SIZE];
    for (uint32_t i = 0; i < grid->row_count; i++) {
        const struct grid_row *row = &grid->rows[i];
        if (strcmp(row->a, caller) != 0)
            fprintf(file, "\n  %s calls\n", row->a);
        caller = row->a;
        fprintf(file, "    %-*s", first, row->b);
        for (uint32_t k = 0; k < grid->program_count; k++) {
            const struct grid_cell *cell = &row->cells[k];
            cell_text(cell, text);
            bool last = k + 1 == grid->program_count;
            fprintf(file, "  %s%s%s%*s", colour ? kinds[cell->kind].paint : "", text,
                    colour ? "\033[0m" : "", last ? 0 : widths[k] - (int)strlen(text), "");
        }
        fputc('\n', file);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* ", median 0.31 s to ..."; of an even number the lower one. */
static void print_median(FILE *file, uint64_t *values, uint32_t count, const char *what)
{
    char text[CELL_SIZE];
    if (count == 0)
        return;
    qsort(values, count, sizeof *values, compare);
    write_seconds(text, values[(count - 1) / 2]);
    fprintf(file, ", median %s s %s", text, what);
}

/* How one mesh has fared. */
static void print_sum(FILE *file, const struct grid *grid, uint32_t program, int width)
{
    uint32_t counts[GRID_KINDS] = {0}, first_count = 0, direct_count = 0;
    uint64_t *values = calloc((size_t)grid->row_count * 2 + 1, sizeof *values);
    uint64_t *direct = values + grid->row_count;
    check(values != NULL);
    for (uint32_t i = 0; i < grid->row_count; i++) {
        const struct grid_cell *cell = &grid->rows[i].cells[program];
        counts[cell->kind]++;
        if (was_run(cell) && cell->first_ns != JUDGE_NEVER)
            values[first_count++] = cell->first_ns;
        if (cell->kind == GRID_DIRECT && cell->direct_ns != JUDGE_NEVER)
            direct[direct_count++] = cell->direct_ns;
    }
    fprintf(file, "  %-*s  %" PRIu32 " direct, %" PRIu32 " relayed, %" PRIu32 " failed", width,
            grid->programs[program], counts[GRID_DIRECT], counts[GRID_RELAYED],
            counts[GRID_FAILED]);
    if (counts[GRID_SKIPPED] > 0)
        fprintf(file, ", %" PRIu32 " skipped", counts[GRID_SKIPPED]);
    if (counts[GRID_BROKEN] > 0)
        fprintf(file, ", %" PRIu32 " could not be run", counts[GRID_BROKEN]);
    print_median(file, values, first_count, "to the first packet");
    print_median(file, direct, direct_count, "to direct");
    fputc('\n', file);
    free(values);
}

void grid_print(FILE *file, const struct grid *grid, const char *heading, bool colour)
{
    int widths[GRID_PROGRAMS_MAX], first = 0, name = 0;
    if (grid->row_count == 0)
        return;
    fprintf(file, "\n%s%s%s\n", colour ? "\033[1m" : "", heading, colour ? "\033[0m" : "");
    for (uint32_t i = 0; i < grid->row_count; i++)
        if ((int)strlen(grid->rows[i].b) > first)
            first = (int)strlen(grid->rows[i].b);
    fprintf(file, "    %-*s", first, "");
    for (uint32_t i = 0; i < grid->program_count; i++) {
        bool last = i + 1 == grid->program_count;
        widths[i] = width_of(grid, i);
        if ((int)strlen(grid->programs[i]) > name)
            name = (int)strlen(grid->programs[i]);
        fprintf(file, "  %-*s", last ? 0 : widths[i], grid->programs[i]);
    }
    fputc('\n', file);
    print_rows(file, grid, first, widths, colour);
    fputs("\n  Seconds from the connect to the first packet / to direct.\n", file);
    fputc('\n', file);
    for (uint32_t i = 0; i < grid->program_count; i++)
        print_sum(file, grid, i, name);
}

void grid_free(struct grid *grid)
{
    free(grid->rows);
    *grid = (struct grid){.rows = NULL};
}
