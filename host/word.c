/* Edit distance between words (optimal string alignment). */
#include "host/word.h"

#include <string.h>

#include "core/base/check.h"

enum { WORD_MAX = 63 };

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ASCII only, whatever the locale is. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

uint32_t word_distance(const char *a, const char *b)
{
    uint32_t a_size = (uint32_t)strnlen(a, WORD_MAX);
    uint32_t b_size = (uint32_t)strnlen(b, WORD_MAX);
    uint32_t rows[3][WORD_MAX + 1]; /* the row before last, the last one, this one, in turn */
    for (uint32_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a_size; i++) {
        uint32_t *this = rows[i % 3];
        const uint32_t *last = rows[(i + 2) % 3];
        const uint32_t *before = rows[(i + 1) % 3];
        this[0] = i;
        for (uint32_t j = 1; j <= b_size; j++) {
            uint32_t replace = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            this[j] = lesser(replace, lesser(last[j], this[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                this[j] = lesser(this[j], before[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

void word_consider(struct word_search *search, const char *candidate)
{
    check(search->wrong != NULL && candidate != NULL);
    uint32_t distance = word_distance(search->wrong, candidate);
    if (search->best != NULL && distance >= search->distance)
        return;
    search->best = candidate;
    search->distance = distance;
}

const char *word_meant(const struct word_search *search)
{
    if (search->best == NULL)
        return NULL;
    uint32_t longer = (uint32_t)strnlen(search->wrong, WORD_MAX);
    uint32_t best_size = (uint32_t)strnlen(search->best, WORD_MAX);
    if (best_size > longer)
        longer = best_size;
    /* More than two letters in three wrong is no misspelling. */
    return search->distance * 3 <= longer * 2 ? search->best : NULL;
}
