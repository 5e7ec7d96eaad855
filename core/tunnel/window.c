/* Which counters of a session were received. */
#include "core/tunnel/window.h"

#include "core/base/check.h"

/* Words stand in a ring: counter / 64 picks one, so that no counter is ever moved. */
enum { WORD_BITS = 64 };
_Static_assert(WINDOW_SIZE == (WINDOW_WORDS - 1) * WORD_BITS,
               "a counter late by WINDOW_SIZE has a word that no other counter in reach has");

static uint64_t word_of(uint64_t counter)
{
    return counter / WORD_BITS;
}

bool window_seen(const struct window *window, uint64_t counter)
{
    /* The last number of all has no next one, and no session comes near it. */
    if (counter >= window->next)
        return counter == UINT64_MAX;
    if (window->next - 1 - counter > WINDOW_SIZE)
        return true;
    return (window->words[word_of(counter) % WINDOW_WORDS] >> (counter % WORD_BITS) & 1) != 0;
}

void window_mark(struct window *window, uint64_t counter)
{
    check(!window_seen(window, counter));
    if (counter >= window->next) {
        uint64_t first = window->next > 0 ? word_of(window->next - 1) : word_of(counter);
        uint64_t fresh = word_of(counter) - first;
        if (fresh > WINDOW_WORDS)
            fresh = WINDOW_WORDS;
        for (uint64_t i = 1; i <= fresh; i++)
            window->words[(first + i) % WINDOW_WORDS] = 0;
        window->next = counter + 1;
    }
    window->words[word_of(counter) % WINDOW_WORDS] |= UINT64_C(1) << (counter % WORD_BITS);
    check(window->next > counter);
}
