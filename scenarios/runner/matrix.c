/* The picture of a sweep. */
#include "scenarios/runner/matrix.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+*";
_Static_assert(sizeof letters - 1 == MATRIX_NAMES_MAX, "a letter for each");

static const struct {
    char symbol;
    const char *paint;
    const char *about;
} kinds[MATRIX_KINDS] = {
    [MATRIX_NONE] = {' ', "", ""},
    [MATRIX_DIRECT] = {'D', "\033[32m", "direct"},
    [MATRIX_CHANCE] = {'c', "\033[36m", "direct or relayed, as a NAT draws"},
    [MATRIX_RELAYED] = {'r', "\033[33m", "relayed"},
    [MATRIX_UNREACHABLE] = {'.', "\033[2m", "unreachable"},
    [MATRIX_PENDING] = {'?', "\033[31m", "never decided"},
};

/* Room for one more of a list whose room is a power of two. */
static void *grow(void *list, uint32_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return list;
    void *grown = realloc(list, (count == 0 ? 1 : (size_t)count * 2) * size);
    check(grown != NULL);
    return grown;
}

/* MATRIX_NAMES_MAX when there is no room for another name. */
static uint32_t find_name(struct matrix *matrix, const char *name)
{
    uint32_t i = 0;
    while (i < matrix->name_count && strcmp(matrix->names[i], name) != 0)
        i++;
    if (i == matrix->name_count && i < MATRIX_NAMES_MAX)
        strcpy(matrix->names[matrix->name_count++], name);
    return i;
}

static struct matrix_cell *find_cell(const struct matrix *matrix, uint32_t row, uint32_t column)
{
    for (uint32_t i = 0; i < matrix->cell_count; i++)
        if (matrix->cells[i].row == row && matrix->cells[i].column == column)
            return &matrix->cells[i];
    return NULL;
}

static enum matrix_kind kind_of(const struct judge_sum *sum)
{
    if (sum->known && sum->oracle.says.verdict == ORACLE_CHANCE)
        return MATRIX_CHANCE;
    switch (sum->path) {
    case NODE_PATH_DIRECT:
        return MATRIX_DIRECT;
    case NODE_PATH_RELAYED:
        return MATRIX_RELAYED;
    case NODE_PATH_UNREACHABLE:
        return MATRIX_UNREACHABLE;
    default:
        return MATRIX_PENDING;
    }
}

static void add_stretch(struct matrix_stretch *stretch, uint64_t value)
{
    if (value == 0)
        return;
    stretch->values = grow(stretch->values, stretch->count, sizeof *stretch->values);
    stretch->values[stretch->count++] = value;
}

static void add_cell(struct matrix *matrix, const struct plan_scenario *scenario,
                     const struct judge_sum *sum)
{
    uint32_t row = find_name(matrix, scenario->row);
    uint32_t column = find_name(matrix, scenario->column);
    if (row == MATRIX_NAMES_MAX || column == MATRIX_NAMES_MAX)
        return;
    struct matrix_cell *cell = find_cell(matrix, row, column);
    if (cell == NULL) {
        matrix->cells = grow(matrix->cells, matrix->cell_count, sizeof *cell);
        cell = &matrix->cells[matrix->cell_count++];
        *cell = (struct matrix_cell){.row = row, .column = column};
    }
    enum matrix_kind kind = kind_of(sum);
    cell->runs++;
    cell->differ += sum->known && !sum->agrees;
    if (kind > cell->kind)
        cell->kind = (uint8_t)kind;
}

void matrix_add(struct matrix *matrix, const struct plan_scenario *scenario,
                const struct judge_sum *sum)
{
    bool lossy = plan_is_lossy(scenario);
    if (sum->agrees && sum->path == NODE_PATH_DIRECT)
        add_stretch(lossy ? &matrix->lossy : &matrix->exact, judge_stretch(sum));
    if (lossy) {
        bool order = sum->known && sum->oracle.says.verdict == ORACLE_ORDER;
        matrix->lossy_runs += sum->known && !order;
        matrix->lossy_agree += sum->known && !order && sum->agrees;
        return;
    }
    matrix->runs += sum->known;
    matrix->agree += sum->known && sum->agrees;
    if (scenario->row[0] != 0)
        add_cell(matrix, scenario, sum);
}

/* ---- Printing ---- */

/* The columns in which a row has cells: bit n is name n. */
static uint64_t columns_of(const struct matrix *matrix, uint32_t row)
{
    uint64_t columns = 0;
    for (uint32_t i = 0; i < matrix->cell_count; i++)
        if (matrix->cells[i].row == row)
            columns |= UINT64_C(1) << matrix->cells[i].column;
    return columns;
}

static void print_row(FILE *file, const struct matrix *matrix, uint32_t row, uint64_t columns,
                      int width, bool colour)
{
    bool lettered = (columns >> row & 1) != 0;
    fprintf(file, "  %c %-*s", lettered ? letters[row] : ' ', width, matrix->names[row]);
    for (uint32_t i = 0; i < matrix->name_count; i++) {
        if ((columns >> i & 1) == 0)
            continue;
        const struct matrix_cell *cell = find_cell(matrix, row, i);
        check(cell != NULL && cell->kind < MATRIX_KINDS);
        bool wrong = cell->differ > 0;
        fprintf(file, " %s%c%s",
                !colour ? ""
                : wrong ? "\033[31m"
                        : kinds[cell->kind].paint,
                wrong ? '!' : kinds[cell->kind].symbol, colour ? "\033[0m" : "");
    }
    fputc('\n', file);
}

/* Rows with the same columns, one below the other. */
static void print_block(FILE *file, const struct matrix *matrix, uint64_t columns, int width,
                        bool colour)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < matrix->name_count; i++)
        if (columns_of(matrix, i) == columns)
            rows |= UINT64_C(1) << i;
    fprintf(file, "\n    %-*s", width, "");
    for (uint32_t i = 0; i < matrix->name_count; i++)
        if ((columns >> i & 1) != 0)
            fprintf(file, " %c", letters[i]);
    fputc('\n', file);
    for (uint32_t i = 0; i < matrix->name_count; i++)
        if ((rows >> i & 1) != 0)
            print_row(file, matrix, i, columns, width, colour);
    for (uint32_t i = 0; i < matrix->name_count; i++)
        if ((columns >> i & 1) != 0 && (rows >> i & 1) == 0)
            fprintf(file, "  %c %s\n", letters[i], matrix->names[i]);
}

static void print_cells(FILE *file, const struct matrix *matrix, bool colour)
{
    uint64_t printed = 0;
    int width = 0;
    bool used[MATRIX_KINDS] = {false}, wrong = false;
    for (uint32_t i = 0; i < matrix->name_count; i++)
        if ((int)strlen(matrix->names[i]) > width)
            width = (int)strlen(matrix->names[i]);
    for (uint32_t i = 0; i < matrix->name_count; i++) {
        uint64_t columns = columns_of(matrix, i);
        if (columns == 0 || (printed >> i & 1) != 0)
            continue;
        print_block(file, matrix, columns, width, colour);
        for (uint32_t k = i; k < matrix->name_count; k++)
            if (columns_of(matrix, k) == columns)
                printed |= UINT64_C(1) << k;
    }
    for (uint32_t i = 0; i < matrix->cell_count; i++) {
        wrong = wrong || matrix->cells[i].differ > 0;
        used[matrix->cells[i].kind] = true;
    }
    fputc('\n', file);
    for (uint32_t i = MATRIX_DIRECT; i < MATRIX_KINDS; i++)
        if (used[i])
            fprintf(file, "  %c %s\n", kinds[i].symbol, kinds[i].about);
    if (wrong)
        fputs("  ! not what the oracle says\n", file);
    fputs("  The row calls the column; a cell shows the worst of its variants.\n", file);
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* "1.04" */
static void print_thousandths(FILE *file, uint64_t value)
{
    fprintf(file, "%" PRIu64 ".%02" PRIu64, value / 1000, value % 1000 / 10);
}

static void print_stretch(FILE *file, struct matrix_stretch *stretch, const char *when,
                          uint32_t agree, uint32_t runs)
{
    static const uint32_t shares[] = {50, 90, 99, 100};
    if (runs > 0)
        fprintf(file, "  %s, %" PRIu32 " of %" PRIu32 " verdicts are the oracle's.\n", when, agree,
                runs);
    if (stretch->count == 0)
        return;
    qsort(stretch->values, stretch->count, sizeof *stretch->values, compare);
    fprintf(file, "  %s, time to direct over that of the ideal flood, in %" PRIu32 " runs:", when,
            stretch->count);
    for (uint32_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        uint64_t at = ((uint64_t)stretch->count * shares[i] + 99) / 100;
        if (shares[i] == 100)
            fputs(", at most ", file);
        else
            fprintf(file, "%s %" PRIu32 " %% within ", i == 0 ? "" : ",", shares[i]);
        print_thousandths(file, stretch->values[at - 1]);
    }
    fputc('\n', file);
}

void matrix_print(FILE *file, struct matrix *matrix, const char *heading, bool colour)
{
    if (matrix->runs + matrix->lossy_runs == 0)
        return;
    fprintf(file, "\n%s%s%s\n", colour ? "\033[1m" : "", heading, colour ? "\033[0m" : "");
    if (matrix->cell_count > 0)
        print_cells(file, matrix, colour);
    print_stretch(file, &matrix->exact, "Without loss", matrix->agree, matrix->runs);
    print_stretch(file, &matrix->lossy, "With loss", matrix->lossy_agree, matrix->lossy_runs);
}

void matrix_free(struct matrix *matrix)
{
    free(matrix->cells);
    free(matrix->exact.values);
    free(matrix->lossy.values);
    memset(matrix, 0, sizeof *matrix);
}
