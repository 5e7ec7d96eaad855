/* Words that a person typed: which known word is meant by an unknown one. */
#ifndef WARREN_HOST_WORD_H
#define WARREN_HOST_WORD_H

#include <stddef.h>
#include <stdint.h>

/*
 * How many letters have to be inserted, left out, replaced or swapped with their neighbour to turn
 * one word into the other; upper and lower case count as equal. Only the first 63 bytes of each are
 * looked at.
 */
uint32_t word_distance(const char *a, const char *b);

/*
 * Collects candidates, and keeps the one nearest to `wrong`, the first of equals. Start with
 * {.wrong = wrong}.
 */
struct word_search {
    const char *wrong;
    const char *best; /* NULL while there was no candidate */
    uint32_t distance;
};

void word_consider(struct word_search *search, const char *candidate);
/*
 * The nearest candidate, or NULL where even that has too little in common with the wrong word to be
 * what was meant.
 */
const char *word_meant(const struct word_search *search);

#endif
