/* Verdicts about pairs of clients. */
#include "scenarios/runner/judge_pair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"

/* The codes of both lists are the same numbers, as docs/reasons.md is one list. */
_Static_assert((int)REASON_SAME_LAN == (int)ORACLE_REASON_SAME_LAN, "reasons");
_Static_assert((int)REASON_PUNCHED == (int)ORACLE_REASON_PUNCHED, "reasons");
_Static_assert((int)REASON_APDM_AGAINST_APDF == (int)ORACLE_REASON_APDM_AGAINST_APDF, "reasons");
_Static_assert((int)REASON_PROBES_UNANSWERED == (int)ORACLE_REASON_PROBES_UNANSWERED, "reasons");
_Static_assert((int)REASON_UDP_BLOCKED == (int)ORACLE_REASON_UDP_BLOCKED, "reasons");

/* In place of a reason: the two sides have different ones. */
enum { REASONS_DIFFER = REASON_COUNT };

/* A path as both ends, and the relay, make it out to be. */
struct joined {
    uint64_t at_ns;
    uint8_t path;   /* enum node_path */
    uint8_t reason; /* enum reason, or REASONS_DIFFER */
    bool belied;    /* both say that it is direct, and the relay carries its data */
};

struct tracker {
    uint32_t end[2];
    bool blocked; /* a discovery of either found that it can send nothing */
    bool begun;
    bool belied;
    uint8_t path[2]; /* as each end says */
    uint8_t reason[2];
    uint64_t direct_ns;  /* since when both say that it is direct */
    uint64_t relayed_ns; /* when the last datagram was sent that a relay was asked to carry */
};

/*
 * For so long after data has come under it, a session that nobody has lost is surely still there.
 * At REKEY_AFTER_TIME, and the ten seconds after which a keepalive answers at the latest, there is
 * a new one, and before REJECT_AFTER_TIME the old one holds (the WireGuard paper, section 6.1).
 */
#define SESSION_NS UINT64_C(50000000000)

/* A relay that has been left alone for so long, while data arrived, is no longer in the way. */
#define LEFT_ALONE_NS UINT64_C(1000000000)

const char *judge_path_name(uint8_t path)
{
    static const char *const names[] = {"pending", "relayed", "direct", "unreachable"};
    check(path < sizeof names / sizeof *names);
    return names[path];
}

static struct tracker tracker_of(const struct run *run, uint32_t a, uint32_t b)
{
    struct tracker tracker = {.end = {a, b}};
    for (uint32_t i = 0; i < run->finding_count; i++) {
        const struct run_finding *finding = &run->findings[i];
        if ((finding->client == a || finding->client == b) &&
            finding->behaviour.nat == STUN_NAT_BLOCKED)
            tracker.blocked = true;
    }
    return tracker;
}

static bool both(const struct tracker *tracker, uint8_t path)
{
    return tracker->path[0] == path && tracker->path[1] == path;
}

static struct joined joined_of(const struct tracker *tracker, uint64_t at_ns)
{
    struct joined joined = {.at_ns = at_ns, .path = NODE_PATH_PENDING};
    uint8_t first = tracker->reason[0], second = tracker->reason[1];
    uint8_t common = first == second                                 ? first
                     : first == REASON_NONE || second == REASON_NONE ? (uint8_t)REASON_NONE
                                                                     : (uint8_t)REASONS_DIFFER;
    if (tracker->path[0] == NODE_PATH_UNREACHABLE || tracker->path[1] == NODE_PATH_UNREACHABLE) {
        bool says = tracker->path[0] == NODE_PATH_UNREACHABLE;
        bool blocked =
            tracker->blocked || first == REASON_UDP_BLOCKED || second == REASON_UDP_BLOCKED;
        joined.path = NODE_PATH_UNREACHABLE;
        joined.reason = blocked ? (uint8_t)REASON_UDP_BLOCKED : says ? first : second;
    } else if (both(tracker, NODE_PATH_DIRECT)) {
        joined.belied = tracker->belied;
        joined.path = joined.belied ? NODE_PATH_RELAYED : NODE_PATH_DIRECT;
        joined.reason = joined.belied ? (uint8_t)REASON_NONE : common;
    } else if (tracker->path[0] != NODE_PATH_PENDING && tracker->path[1] != NODE_PATH_PENDING) {
        joined.path = NODE_PATH_RELAYED;
        joined.reason = both(tracker, NODE_PATH_RELAYED) ? common : (uint8_t)REASON_NONE;
    }
    return joined;
}

/* Takes one event in; false when it says nothing about the path. */
static bool track(struct tracker *tracker, const struct run_event *event, struct joined *joined)
{
    const uint32_t *end = tracker->end;
    uint32_t side = event->from == end[1];
    if (event->from != end[side] || event->to != end[1 - side])
        return false;
    bool was_direct = both(tracker, NODE_PATH_DIRECT);
    switch (event->kind) {
    case RUN_CONNECTED:
        tracker->begun = true;
        break;
    case RUN_PATH:
        tracker->path[side] = event->path;
        tracker->reason[side] = event->reason;
        tracker->belied = tracker->belied && was_direct;
        if (!was_direct)
            tracker->direct_ns = event->at_ns;
        break;
    case RUN_RELAYED:
        if (event->sent_ns > tracker->relayed_ns)
            tracker->relayed_ns = event->sent_ns;
        if (!was_direct || event->sent_ns <= tracker->direct_ns)
            return false;
        tracker->belied = true;
        break;
    case RUN_ARRIVED:
        if (!tracker->belied || event->sent_ns <= tracker->relayed_ns + LEFT_ALONE_NS)
            return false;
        tracker->belied = false;
        break;
    default:
        return false;
    }
    *joined = joined_of(tracker, event->at_ns);
    return tracker->begun;
}

/* ---- Modes ---- */

/* What has been true when, for the four modes. */
struct results {
    uint64_t from_ns;
    uint64_t until_ns;
    bool any;
    bool last_right; /* the last one was */
    bool right;      /* one in time was */
    bool wrong;
};

static struct results results_of(const struct plan_expect *expect, const struct run *run)
{
    uint64_t until_ns = judge_until_ns(expect, run);
    uint64_t from_ns = expect->mode == PLAN_FINALLY ? 0 : expect->after_ns;
    check(until_ns >= from_ns);
    return (struct results){.from_ns = from_ns, .until_ns = until_ns};
}

static void add_result(struct results *results, uint64_t at_ns, bool right)
{
    check(at_ns >= results->from_ns);
    results->any = true;
    results->last_right = right;
    results->right = results->right || (right && at_ns <= results->until_ns);
    results->wrong = results->wrong || !right;
}

static bool is_true(const struct results *results, uint8_t mode)
{
    switch (mode) {
    case PLAN_FINALLY:
        return results->any && results->last_right;
    case PLAN_WITHIN:
        return results->right;
    case PLAN_ALWAYS:
        return results->any && !results->wrong;
    default:
        check(mode == PLAN_NEVER);
        return !results->right;
    }
}

/* ---- Paths ---- */

/* The paths that are right: one, or where chance decides either of two. */
struct wanted {
    uint8_t path[2]; /* NODE_PATH_PENDING: none */
    uint8_t reason[2];
};

static bool is_wanted(const struct wanted *wanted, const struct joined *joined)
{
    for (uint32_t i = 0; i < 2; i++)
        if (wanted->path[i] != NODE_PATH_PENDING && joined->path == wanted->path[i] &&
            !joined->belied &&
            (wanted->reason[i] == REASON_NONE || joined->reason == wanted->reason[i]))
            return true;
    return false;
}

static const char *reason_text(uint8_t reason)
{
    return reason == REASONS_DIFFER ? "the sides say different reasons"
                                    : reason_name((enum reason)reason);
}

static void say_path(const struct joined *joined, char happened[static JUDGE_TEXT_SIZE])
{
    char time[FIELD_TEXT_SIZE];
    if (joined == NULL) {
        snprintf(happened, JUDGE_TEXT_SIZE, "nobody said anything of a path");
        return;
    }
    const char *reason = joined->belied ? "both say direct, and data goes through the relay"
                                        : reason_text(joined->reason);
    snprintf(happened, JUDGE_TEXT_SIZE, "at %s it was %s%s%s%s",
             field_render_duration(joined->at_ns / 1000 * 1000, time),
             judge_path_name(joined->path), reason[0] != 0 ? " (" : "", reason,
             reason[0] != 0 ? ")" : "");
}

/*
 * Every state from `from_ns` on is a result, and so is the one that holds then. What is said of a
 * failure is the last state that it can rest on.
 */
static bool judge_path(const struct plan_expect *expect, const struct wanted *wanted,
                       const struct run *run, char happened[static JUDGE_TEXT_SIZE])
{
    struct results results = results_of(expect, run);
    struct tracker tracker = tracker_of(run, expect->client, expect->peer);
    struct joined now = {.path = NODE_PATH_PENDING}, telling = now, next;
    bool known = false, told = false;
    for (uint32_t i = 0; i <= run->event_count; i++) {
        bool end = i == run->event_count;
        if (!end && !track(&tracker, &run->events_seen[i], &next))
            continue;
        bool over = !end && next.at_ns <= results.from_ns;
        if (known && !over) {
            bool right = is_wanted(wanted, &now);
            uint64_t at_ns = now.at_ns > results.from_ns ? now.at_ns : results.from_ns;
            add_result(&results, at_ns, right);
            if (!told || right == (expect->mode == PLAN_NEVER) || expect->mode == PLAN_FINALLY) {
                telling = now;
                told = true;
            }
        }
        known = known || !end;
        now = next;
    }
    say_path(told ? &telling : NULL, happened);
    return is_true(&results, expect->mode);
}

/* ---- Data ---- */

static bool is_too_long(uint64_t from_ns, uint64_t to_ns, uint64_t gap_ns)
{
    return to_ns > from_ns && to_ns - from_ns > gap_ns;
}

/*
 * Arrivals from `after` on. For always and finally no gap may be longer than asked for, counted
 * from when something was there to arrive to when the last one was sent.
 */
static bool judge_data(const struct plan_expect *expect, const struct run *run,
                       char happened[static JUDGE_TEXT_SIZE])
{
    char time[FIELD_TEXT_SIZE], length[FIELD_TEXT_SIZE];
    const uint64_t until_ns = judge_until_ns(expect, run), gap_ns = expect->gap_ns + run->slack_ns;
    uint64_t last_ns = 0, sent_ns = 0, worst_ns = 0, worst_at_ns = 0;
    uint32_t arrived = 0;
    bool sent = false, soon = false;
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct run_event *event = &run->events_seen[i];
        if (event->from != expect->client || event->to != expect->peer ||
            event->at_ns < expect->after_ns)
            continue;
        if (event->kind != RUN_SENT && event->kind != RUN_ARRIVED)
            continue;
        if (!sent) /* the clock starts with what could arrive */
            last_ns = event->at_ns;
        sent = true;
        if (event->kind == RUN_SENT) {
            sent_ns = event->at_ns;
            continue;
        }
        arrived++;
        soon = soon || event->at_ns <= until_ns;
        if (event->at_ns - last_ns > worst_ns) {
            worst_ns = event->at_ns - last_ns;
            worst_at_ns = last_ns;
        }
        last_ns = event->at_ns;
    }
    bool silent = is_too_long(last_ns, sent_ns, gap_ns);
    if (sent_ns > last_ns && sent_ns - last_ns > worst_ns) {
        worst_ns = sent_ns - last_ns;
        worst_at_ns = last_ns;
    }
    snprintf(happened, JUDGE_TEXT_SIZE, "%" PRIu32 " packets arrived, the longest gap was %s",
             arrived, field_render_duration(worst_ns / 1000 * 1000, length));
    size_t size = strlen(happened);
    snprintf(happened + size, JUDGE_TEXT_SIZE - size, ", from %s on",
             field_render_duration(worst_at_ns / 1000 * 1000, time));
    switch (expect->mode) {
    case PLAN_FINALLY:
        return arrived > 0 && !silent;
    case PLAN_WITHIN:
        return soon;
    case PLAN_ALWAYS:
        return arrived > 0 && worst_ns <= gap_ns;
    default:
        check(expect->mode == PLAN_NEVER);
        return arrived == 0;
    }
}

/* ---- What the oracle says ---- */

/* The servers at which the two were registered when one called. */
static void homes_of(const struct run *run, const struct run_pair *pair, uint32_t homes[static 2])
{
    homes[0] = homes[1] = PLAN_INTERNET;
    for (uint32_t i = 0; i < run->event_count && run->events_seen[i].at_ns <= pair->at_ns; i++) {
        const struct run_event *event = &run->events_seen[i];
        if (event->kind != RUN_HOME)
            continue;
        if (event->from == pair->a)
            homes[0] = event->to;
        if (event->from == pair->b)
            homes[1] = event->to;
    }
}

/*
 * What the order of packets decides is in the clients' hands: their discoveries tell them who must
 * wait. Only where packets are lost can that go wrong, and then what was seen counts.
 */
static struct wanted wanted_of(const struct oracle_pair_says *says,
                               const struct oracle_pair_seen *seen, bool lossy)
{
    const struct wanted direct = {{NODE_PATH_DIRECT}, {says->direct_reason}};
    const struct wanted relayed = {{NODE_PATH_RELAYED}, {says->relayed_reason}};
    switch (says->verdict) {
    case ORACLE_DIRECT:
        return direct;
    case ORACLE_RELAYED:
        return relayed;
    case ORACLE_UNREACHABLE:
        return (struct wanted){{NODE_PATH_UNREACHABLE}, {says->relayed_reason}};
    case ORACLE_ORDER:
        return !lossy || oracle_order_met(says, seen) ? direct : relayed;
    default:
        check(says->verdict == ORACLE_CHANCE);
        return (struct wanted){{NODE_PATH_DIRECT, NODE_PATH_RELAYED},
                               {says->direct_reason, says->relayed_reason}};
    }
}

/* From the connect on: the path at the end, and when both first said that it is direct. */
static struct joined follow(const struct run *run, const struct run_pair *pair, bool *said,
                            uint64_t *direct_ns, uint8_t reasons[static 2])
{
    struct tracker tracker = tracker_of(run, pair->a, pair->b);
    struct joined last = {.path = NODE_PATH_PENDING}, next;
    uint64_t first_ns[2] = {JUDGE_NEVER, JUDGE_NEVER};
    *said = false;
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct run_event *event = &run->events_seen[i];
        if (!track(&tracker, event, &next))
            continue;
        uint32_t side = event->from == pair->b;
        if (event->kind == RUN_PATH && event->path == NODE_PATH_DIRECT &&
            event->at_ns >= pair->at_ns && first_ns[side] == JUDGE_NEVER)
            first_ns[side] = event->at_ns;
        last = next;
        *said = true;
    }
    *direct_ns = first_ns[0] > first_ns[1] ? first_ns[0] : first_ns[1];
    if (*direct_ns != JUDGE_NEVER)
        *direct_ns -= pair->at_ns;
    memcpy(reasons, tracker.reason, sizeof tracker.reason);
    return last;
}

/* From the connect to the first of these events for what the caller has sent since. */
static uint64_t first_ns(const struct run *run, const struct run_pair *pair, unsigned kinds)
{
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct run_event *event = &run->events_seen[i];
        if ((kinds >> event->kind & 1) != 0 && event->from == pair->a && event->to == pair->b &&
            event->sent_ns >= pair->at_ns)
            return event->at_ns - pair->at_ns;
    }
    return JUDGE_NEVER;
}

/* Whether either of the two has lost its state in that time. */
static bool has_restarted(const struct plan_scenario *scenario, const struct run_pair *pair,
                          uint64_t from_ns)
{
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        if ((action->kind == PLAN_CRASH || action->kind == PLAN_RESTART) &&
            (action->place == pair->a || action->place == pair->b) && action->at_ns >= from_ns &&
            action->at_ns <= pair->at_ns)
            return true;
    }
    return false;
}

/*
 * Whether the two had a session when the caller was told to connect: then its packet goes at once.
 */
static bool has_session(const struct plan_scenario *scenario, const struct run *run,
                        const struct run_pair *pair)
{
    for (uint32_t i = run->event_count; i > 0; i--) {
        const struct run_event *event = &run->events_seen[i - 1];
        bool ours = (event->from == pair->a && event->to == pair->b) ||
                    (event->from == pair->b && event->to == pair->a);
        if (event->kind != RUN_ARRIVED || !ours || event->at_ns >= pair->at_ns)
            continue;
        return pair->at_ns - event->at_ns < SESSION_NS &&
               !has_restarted(scenario, pair, event->at_ns);
    }
    return false;
}

void judge_sum_up(const struct plan_scenario *scenario, const struct run *run, uint32_t pair_index,
                  struct judge_sum *sum)
{
    const struct run_pair *pair = &run->pairs[pair_index];
    uint32_t homes[2];
    uint8_t reasons[2];
    bool said;
    check(pair_index < run->pair_count);
    *sum = (struct judge_sum){.a = pair->a, .b = pair->b};
    struct joined last = follow(run, pair, &said, &sum->direct_ns, reasons);
    sum->path = last.path;
    sum->first_data_ns = first_ns(run, pair, 1u << RUN_ANSWERED | 1u << RUN_ARRIVED);
    sum->first_inner_ns = first_ns(run, pair, 1u << RUN_ARRIVED);
    sum->inner_bound_ns = JUDGE_NEVER;
    if (last.reason == REASONS_DIFFER)
        snprintf(sum->reason, sizeof sum->reason, "%s|%s", reason_name((enum reason)reasons[0]),
                 reason_name((enum reason)reasons[1]));
    else
        snprintf(sum->reason, sizeof sum->reason, "%s",
                 last.belied ? "belied-by-relay" : reason_text(last.reason));
    homes_of(run, pair, homes);
    sum->known = judge_pair_oracle(scenario, pair->a, pair->b, homes, &sum->oracle);
    if (!sum->known)
        return;
    sum->inner_bound_ns = has_session(scenario, run, pair) ? sum->oracle.says.first_data_ns
                                                           : sum->oracle.first_inner_ns;
    struct wanted wanted = wanted_of(&sum->oracle.says, &pair->seen, plan_is_lossy(scenario));
    uint32_t which = wanted.path[1] != NODE_PATH_PENDING && last.path == wanted.path[1];
    sum->agrees = said && is_wanted(&wanted, &last);
    sum->wanted = wanted.path[which];
    sum->wanted_reason = wanted.reason[which];
}

uint64_t judge_stretch(const struct judge_sum *sum)
{
    uint64_t bound_ns = sum->known ? sum->oracle.says.direct_ns : JUDGE_NEVER;
    if (bound_ns == JUDGE_NEVER || bound_ns == 0 || sum->direct_ns == JUDGE_NEVER)
        return 0;
    return (sum->direct_ns * 1000 + bound_ns - 1) / bound_ns;
}

/* A time that may be so much later than it should, as it should be. */
static uint64_t eased(uint64_t at_ns, uint64_t slack_ns)
{
    if (at_ns == JUDGE_NEVER)
        return at_ns;
    return at_ns > slack_ns ? at_ns - slack_ns : 0;
}

/* Whether the first one was there as soon as it can be; where it can never be, that is so. */
static bool is_first_in_time(const char *what, uint64_t at_ns, uint64_t bound_ns, uint64_t slack_ns,
                             char happened[static JUDGE_TEXT_SIZE])
{
    char time[FIELD_TEXT_SIZE], bound[FIELD_TEXT_SIZE];
    if (bound_ns == JUDGE_NEVER || eased(at_ns, slack_ns) <= bound_ns)
        return true;
    if (at_ns == JUDGE_NEVER)
        snprintf(happened, JUDGE_TEXT_SIZE, "the first %s never arrived", what);
    else
        snprintf(happened, JUDGE_TEXT_SIZE,
                 "the first %s arrived after %s, and could have after %s", what,
                 field_render_duration(at_ns, time), field_render_duration(bound_ns, bound));
    return false;
}

/* Whether the first datagram, the first packet and the direct path came as soon as they can. */
static bool is_in_time(const struct judge_sum *sum, uint64_t slack_ns,
                       char happened[static JUDGE_TEXT_SIZE])
{
    char time[FIELD_TEXT_SIZE], bound[FIELD_TEXT_SIZE];
    const struct oracle_pair_says *says = &sum->oracle.says;
    _Static_assert(ORACLE_NEVER == JUDGE_NEVER, "never is never");
    struct judge_sum direct = *sum;
    uint64_t hold_ns = says->verdict == ORACLE_ORDER ? JUDGE_HOLD_NS : 0;
    direct.direct_ns = eased(sum->direct_ns, slack_ns + hold_ns);
    if (!is_first_in_time("datagram", sum->first_data_ns, says->first_data_ns, slack_ns,
                          happened) ||
        !is_first_in_time("packet", sum->first_inner_ns, sum->inner_bound_ns, slack_ns, happened))
        return false;
    if (sum->wanted != NODE_PATH_DIRECT || says->verdict == ORACLE_CHANCE ||
        judge_stretch(&direct) <= JUDGE_STRETCH_MAX)
        return true;
    snprintf(happened, JUDGE_TEXT_SIZE, "it was direct after %s, and could have been after %s",
             field_render_duration(sum->direct_ns, time),
             field_render_duration(says->direct_ns, bound));
    return false;
}

static bool judge_verdict(const struct plan_scenario *scenario, const struct plan_expect *expect,
                          const struct run *run, char happened[static JUDGE_TEXT_SIZE])
{
    struct judge_sum sum;
    uint32_t pair = run->pair_count;
    while (pair > 0 &&
           (run->pairs[pair - 1].a != expect->client || run->pairs[pair - 1].b != expect->peer))
        pair--;
    if (pair == 0) {
        snprintf(happened, JUDGE_TEXT_SIZE, "the run ended before the connect");
        return false;
    }
    judge_sum_up(scenario, run, pair - 1, &sum);
    if (!sum.known) {
        snprintf(happened, JUDGE_TEXT_SIZE, "%s", sum.oracle.why);
        return false;
    }
    bool lossy = plan_is_lossy(scenario);
    struct wanted wanted = wanted_of(&sum.oracle.says, &run->pairs[pair - 1].seen, lossy);
    if (!judge_path(expect, &wanted, run, happened)) {
        size_t size = strlen(happened);
        snprintf(happened + size, JUDGE_TEXT_SIZE - size, "; the oracle says %s: %s (%s)",
                 oracle_verdict_name((enum oracle_verdict)sum.oracle.says.verdict),
                 judge_path_name(sum.wanted), reason_name((enum reason)sum.wanted_reason));
        return false;
    }
    /* The bounds are those of the network alone, and nearly exact. */
    if (expect->mode == PLAN_NEVER || expect->no_bounds || lossy ||
        run->slack_ns > JUDGE_SLACK_MAX_NS)
        return true;
    return is_in_time(&sum, run->slack_ns, happened);
}

bool judge_pair_run(const struct plan_scenario *scenario, const struct plan_expect *expect,
                    const struct run *run, char happened[static JUDGE_TEXT_SIZE])
{
    static const uint8_t paths[PLAN_EXPECT_KINDS] = {[PLAN_DIRECT] = NODE_PATH_DIRECT,
                                                     [PLAN_RELAYED] = NODE_PATH_RELAYED,
                                                     [PLAN_UNREACHABLE] = NODE_PATH_UNREACHABLE};
    happened[0] = 0;
    if (expect->kind == PLAN_DATA)
        return judge_data(expect, run, happened);
    if (expect->kind == PLAN_VERDICT)
        return judge_verdict(scenario, expect, run, happened);
    check(expect->kind < PLAN_EXPECT_KINDS && paths[expect->kind] != NODE_PATH_PENDING);
    struct wanted wanted = {{paths[expect->kind]}, {expect->reason}};
    return judge_path(expect, &wanted, run, happened);
}
