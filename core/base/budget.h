/*
 * Token buckets by address prefix, in a table that forgets in turn: how much may be sent to
 * somebody who has not shown that he wants it.
 */
#ifndef WARREN_BASE_BUDGET_H
#define WARREN_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/map.h"
#include "core/base/pool.h"

struct budget_rate {
    uint32_t burst;    /* tokens of a full bucket, */
    uint32_t more;     /* and so many more when one of its addresses has answered */
    uint64_t token_ns; /* time in which one comes back */
    uint8_t bits_v4;   /* of the prefix that shares a bucket */
    uint8_t bits_v6;
    /*
     * When the table is full only a bucket that is full again is forgotten, and while none is found
     * a new prefix gets nothing: a flood of prefixes wins nothing for one, but locks others out.
     */
    bool strict;
};

struct budget {
    struct budget_rate rate;
    struct pool buckets;  /* struct budget_bucket, in budget.c */
    struct map by_prefix; /* struct addr -> slot */
    uint32_t next_to_forget;
    uint32_t zero;
};

size_t budget_bytes(uint32_t prefixes);
void budget_init(struct budget *budget, void *memory, uint32_t prefixes, struct budget_rate rate,
                 struct hash_key hash_key);
/* Takes a token of the address's bucket; false when it is empty. *forgot, unless NULL, is the
   prefix whose bucket made room, or ADDR_NONE: it starts with a new burst when it comes again. */
bool budget_take(struct budget *budget, uint64_t now_ns, const struct addr *addr,
                 struct addr *forgot);
/* Likewise, but only while more than `left` tokens are there, which are for something better. */
bool budget_take_above(struct budget *budget, uint64_t now_ns, const struct addr *addr,
                       uint32_t left, struct addr *forgot);
/*
 * An address has answered, for which so many tokens were taken: it wants what is sent, and has them
 * back. No more than those, or it could pay for what goes to its neighbours.
 */
void budget_give_back(struct budget *budget, uint64_t now_ns, const struct addr *addr,
                      uint32_t tokens);

#endif
