/* The classification table. */
#include "scenarios/runner/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "scenarios/runner/judge.h"
#include "scenarios/runner/print.h"

enum { COLUMNS = 6, CELL_MAX = TABLE_CELL_SIZE };

static void describe_nat(const struct plan_scenario *scenario, uint32_t client,
                         char text[static TABLE_CELL_SIZE])
{
    memset(text, 0, TABLE_CELL_SIZE);
    FILE *file = fmemopen(text, TABLE_CELL_SIZE - 1, "w");
    check(file != NULL);
    plan_print_route(file, scenario, client);
    fclose(file);
    if (text[0] == 0)
        strcpy(text, "(on the internet)");
    if (scenario->places[client].ipv6)
        strncat(text, ", IPv6", TABLE_CELL_SIZE - 1 - strlen(text));
}

static struct table_row *find_row(struct table *table, const struct plan_scenario *scenario,
                                  uint32_t client)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (table->rows[i].client == client && strcmp(table->rows[i].title, scenario->title) == 0)
            return &table->rows[i];
    struct table_row *grown = realloc(table->rows, (table->count + 1) * sizeof *grown);
    check(grown != NULL);
    table->rows = grown;
    struct table_row *row = &grown[table->count++];
    *row = (struct table_row){.title = scenario->title, .client = client};
    struct finding wanted = {.mask = 0};
    const char *why;
    describe_nat(scenario, client, row->nat);
    if (judge_oracle(scenario, client, &wanted, &why))
        finding_brief(&wanted, row->is);
    return row;
}

void table_add(struct table *table, const struct plan_scenario *scenario, const struct run *run,
               const bool *right)
{
    for (uint32_t client = 0; client < scenario->place_count; client++) {
        const struct run_finding *last = NULL;
        bool commanded = false;
        for (uint32_t i = 0; i < run->finding_count; i++)
            if (run->findings[i].client == client)
                last = &run->findings[i];
        for (uint32_t i = 0; i < scenario->action_count; i++)
            commanded = commanded || (scenario->actions[i].kind == PLAN_CLASSIFY &&
                                      scenario->actions[i].place == client);
        if (!commanded)
            continue;
        struct table_row *row = find_row(table, scenario, client);
        if (plan_is_lossy(scenario)) {
            row->lossy_runs++;
            row->lossy_right += last != NULL && right[client];
        } else if (last != NULL) {
            struct finding found = finding_of(&last->behaviour);
            finding_brief(&found, row->found);
            row->wrong = !right[client];
            row->sent = last->behaviour.sent;
            row->duration_ns = last->behaviour.duration_ns;
        } else {
            strcpy(row->found, "nothing");
            row->wrong = true;
        }
    }
}

static void fill(const struct table_row *row, char cells[COLUMNS][CELL_MAX])
{
    snprintf(cells[0], CELL_MAX, "%s", row->nat);
    snprintf(cells[1], CELL_MAX, "%s", row->is[0] != 0 ? row->is : "-");
    snprintf(cells[2], CELL_MAX, "%s", row->found[0] != 0 ? row->found : "-");
    if (row->lossy_runs != 0)
        snprintf(cells[3], CELL_MAX, "%" PRIu32 "/%" PRIu32, row->lossy_right, row->lossy_runs);
    else
        strcpy(cells[3], "-");
    if (row->found[0] != 0) {
        snprintf(cells[4], CELL_MAX, "%" PRIu32, row->sent);
        snprintf(cells[5], CELL_MAX, "%" PRIu64 ".%03" PRIu64, row->duration_ns / 1000000000,
                 row->duration_ns % 1000000000 / 1000000);
    } else {
        strcpy(cells[4], "-");
        strcpy(cells[5], "-");
    }
}

void table_print(FILE *file, const struct table *table, const char *heading, bool colour)
{
    static const char *const titles[COLUMNS] = {"NAT",       "what it is", "what the client found",
                                                "with loss", "packets",    "seconds"};
    char cells[COLUMNS][CELL_MAX];
    int widths[COLUMNS];
    if (table->count == 0)
        return;
    for (int i = 0; i < COLUMNS; i++)
        widths[i] = (int)strlen(titles[i]);
    for (uint32_t r = 0; r < table->count; r++) {
        fill(&table->rows[r], cells);
        for (int i = 0; i < COLUMNS; i++)
            if ((int)strlen(cells[i]) > widths[i])
                widths[i] = (int)strlen(cells[i]);
    }
    fprintf(file, "\n%s%s%s\n", colour ? "\033[1m" : "", heading, colour ? "\033[0m" : "");
    for (int i = 0; i < COLUMNS; i++)
        fprintf(file, i < 3 ? "%-*s%s" : "%*s%s", widths[i], titles[i],
                i + 1 < COLUMNS ? "  " : "\n");
    for (uint32_t r = 0; r < table->count; r++) {
        const char *paint = !colour ? "" : table->rows[r].wrong ? "\033[31m" : "\033[32m";
        fill(&table->rows[r], cells);
        for (int i = 0; i < COLUMNS; i++) {
            fputs(i == 2 ? paint : "", file);
            fprintf(file, i < 3 ? "%-*s" : "%*s", widths[i], cells[i]);
            fputs(i == 2 && colour ? "\033[0m" : "", file);
            fputs(i + 1 < COLUMNS ? "  " : "\n", file);
        }
    }
}

void table_free(struct table *table)
{
    free(table->rows);
    *table = (struct table){.rows = NULL};
}
