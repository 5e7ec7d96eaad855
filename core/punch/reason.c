/* From what two behaviour discoveries found to the reason of a pair, and to who comes first. */
#include "core/punch/reason.h"

#include "core/base/check.h"

const char *reason_name(enum reason reason)
{
    static const char *const names[REASON_COUNT] = {
        [REASON_NONE] = "",
        [REASON_SAME_LAN] = "same-lan",
        [REASON_HAIRPIN] = "hairpin",
        [REASON_PUBLIC] = "public",
        [REASON_PUNCHED] = "punched",
        [REASON_ADM_AGAINST_ADF] = "adm-against-adf",
        [REASON_EDM_AGAINST_ADF] = "edm-against-adf",
        [REASON_APDM_AGAINST_ADF] = "apdm-against-adf",
        [REASON_ADM_AGAINST_APDF] = "adm-against-apdf",
        [REASON_EDM_AGAINST_APDF] = "edm-against-apdf",
        [REASON_APDM_AGAINST_APDF] = "apdm-against-apdf",
        [REASON_POOLING_AGAINST_ADF] = "pooling-against-adf",
        [REASON_NO_HAIRPIN] = "no-hairpin",
        [REASON_TRAP] = "trap",
        [REASON_PROBES_UNANSWERED] = "probes-unanswered",
        [REASON_UDP_BLOCKED] = "udp-blocked",
        [REASON_NOT_REGISTERED] = "not-registered",
        [REASON_REFUSED] = "refused",
    };
    check((unsigned)reason < REASON_COUNT);
    return names[reason];
}

struct reason_side reason_side_of(const struct stun_behaviour *behaviour)
{
    return (struct reason_side){
        .nat = behaviour->nat,
        .mapping = behaviour->mapping,
        .filtering = behaviour->filtering,
        .hairpin = behaviour->hairpin,
        .pooling = behaviour->pooling,
        .trap = behaviour->trap,
    };
}

static bool is_public(const struct reason_side *side)
{
    return side->nat == STUN_NAT_NONE && side->filtering == STUN_FILTERING_EIF;
}

/*
 * Before a discovery has said whether there is a NAT, two with the same mapped address have one in
 * front of both: two public hosts do not share an address.
 */
static bool behind_nats(const struct reason_side *mine, const struct reason_side *theirs,
                        bool same_mapped)
{
    if (mine->nat == STUN_NAT_NONE || theirs->nat == STUN_NAT_NONE)
        return false;
    return same_mapped || (mine->nat == STUN_NAT_PRESENT && theirs->nat == STUN_NAT_PRESENT);
}

enum reason reason_direct(const struct reason_side *mine, const struct reason_side *theirs,
                          bool host_addresses, bool same_mapped)
{
    if (host_addresses && behind_nats(mine, theirs, same_mapped))
        return REASON_SAME_LAN;
    if (!host_addresses && same_mapped)
        return REASON_HAIRPIN;
    return is_public(mine) || is_public(theirs) ? REASON_PUBLIC : REASON_PUNCHED;
}

/*
 * Mappings that depend on the remote, by strictness; one of which only that is known lies between.
 */
enum strictness { NOT_STRICT, STRICT_ADM, STRICT_EDM, STRICT_APDM, STRICTNESSES };

/* A host without a NAT has one endpoint, whatever else is known of it. */
static enum strictness strictness_of(const struct reason_side *side)
{
    if (side->nat != STUN_NAT_PRESENT)
        return NOT_STRICT;
    switch (side->mapping) {
    case STUN_MAPPING_ADM:
        return STRICT_ADM;
    case STUN_MAPPING_APDM:
        return STRICT_APDM;
    case STUN_MAPPING_DEPENDENT:
        return STRICT_EDM;
    default:
        return NOT_STRICT;
    }
}

/*
 * One side's mapping against the other's filter. What APDF admits nobody can send from a port that
 * is not known beforehand, so one such direction is enough. ADF admits any port of an address that
 * was sent to, at the port that sent there: it takes two of them, and neither side with one
 * endpoint.
 */
static enum reason against(const struct reason_side *x, const struct reason_side *y)
{
    static const uint8_t apdf[STRICTNESSES] = {REASON_NONE, REASON_ADM_AGAINST_APDF,
                                               REASON_EDM_AGAINST_APDF, REASON_APDM_AGAINST_APDF};
    static const uint8_t adf[STRICTNESSES] = {REASON_NONE, REASON_ADM_AGAINST_ADF,
                                              REASON_EDM_AGAINST_ADF, REASON_APDM_AGAINST_ADF};
    enum strictness of_x = strictness_of(x);
    enum strictness of_y = strictness_of(y);
    enum strictness from_x = y->filtering == STUN_FILTERING_APDF ? of_x : NOT_STRICT;
    enum strictness from_y = x->filtering == STUN_FILTERING_APDF ? of_y : NOT_STRICT;
    if (from_x != NOT_STRICT || from_y != NOT_STRICT)
        return (enum reason)apdf[from_x > from_y ? from_x : from_y];
    bool both = x->filtering == STUN_FILTERING_ADF && y->filtering == STUN_FILTERING_ADF;
    if (both && of_x != NOT_STRICT && of_y != NOT_STRICT)
        return (enum reason)adf[of_x > of_y ? of_x : of_y];
    return REASON_NONE;
}

/* x's several mappings may each have another address, and y's filter tells addresses apart. */
static bool jumps_against(const struct reason_side *x, const struct reason_side *y)
{
    return strictness_of(x) != NOT_STRICT && x->pooling == STUN_POOLING_ARBITRARY &&
           y->filtering == STUN_FILTERING_ADF;
}

/* A NAT that shows the inside source turns datagrams back, but not as something to answer to. */
static bool no_hairpin(const struct reason_side *side)
{
    return side->hairpin == STUN_HAIRPIN_OFF || side->hairpin == STUN_HAIRPIN_INTERNAL;
}

enum reason reason_relayed(const struct reason_side *mine, const struct reason_side *theirs,
                           bool same_mapped)
{
    if (mine->nat == STUN_NAT_UNKNOWN || theirs->nat == STUN_NAT_UNKNOWN)
        return REASON_NONE;
    enum reason named = against(mine, theirs);
    if (named != REASON_NONE)
        return named;
    if (same_mapped && (no_hairpin(mine) || no_hairpin(theirs)))
        return REASON_NO_HAIRPIN;
    if (jumps_against(mine, theirs) || jumps_against(theirs, mine))
        return REASON_POOLING_AGAINST_ADF;
    if (mine->trap == STUN_TRAP_YES || theirs->trap == STUN_TRAP_YES)
        return REASON_TRAP;
    return REASON_PROBES_UNANSWERED;
}

/* The peer learns where we come from then, so a mapping of its own towards us does no harm. */
static bool bears_trap(const struct reason_side *mine)
{
    return strictness_of(mine) == NOT_STRICT &&
           (mine->filtering == STUN_FILTERING_EIF || mine->filtering == STUN_FILTERING_ADF);
}

/* What x sends comes from a port that y's filter cannot admit, unless y is heard by x before. */
static bool must_be_reached(const struct reason_side *x, const struct reason_side *y)
{
    return strictness_of(x) != NOT_STRICT && strictness_of(y) == NOT_STRICT &&
           y->filtering == STUN_FILTERING_APDF;
}

enum reason_order reason_order(const struct reason_side *mine, const struct reason_side *theirs)
{
    if (must_be_reached(mine, theirs))
        return mine->filtering == STUN_FILTERING_EIF ? REASON_ORDER_HEARD : REASON_ORDER_PASSED;
    if (theirs->trap == STUN_TRAP_YES && !bears_trap(mine))
        return REASON_ORDER_OPENED;
    bool reaches = must_be_reached(theirs, mine) && theirs->filtering != STUN_FILTERING_EIF;
    return reaches ? REASON_ORDER_TOLD : REASON_ORDER_NONE;
}
