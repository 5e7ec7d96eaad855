/* What runs in real time need: of this machine, and of a scenario. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "scenarios/runner/on_real.h"

enum { PROGRAMS_MAX = 100 }; /* of one scenario: servers and clients */

bool real_find_binaries(char to[static RUN_PATH_SIZE], char error[static SPACE_ERROR_SIZE])
{
    if (run_find_programs(to))
        return true;
    snprintf(error, SPACE_ERROR_SIZE, "the folder of warren-lab is not known: %s", strerror(errno));
    return false;
}

static bool have_program(const char *name, const char *package, char why[static RUN_ERROR_SIZE])
{
    if (space_has_program(name))
        return true;
    snprintf(why, RUN_ERROR_SIZE, "%s is not installed (Debian: %s)", name, package);
    return false;
}

static bool have_daemon(char why[static RUN_ERROR_SIZE])
{
    static const char *const names[] = {"warrend", "stun-probe"};
    char folder[RUN_PATH_SIZE], path[RUN_PATH_SIZE + 32];
    if (!real_find_binaries(folder, why))
        return false;
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (access(path, X_OK) == 0)
            continue;
        snprintf(why, RUN_ERROR_SIZE, "there is no %s beside warren-lab: make builds it", names[i]);
        return false;
    }
    return true;
}

bool run_tun_is_there(char why[static RUN_ERROR_SIZE])
{
    _Static_assert((int)RUN_ERROR_SIZE >= (int)SPACE_ERROR_SIZE, "a sentence fits");
    return have_daemon(why) && have_program("ip", "iproute2", why) && space_is_possible(why);
}

bool run_linux_is_there(char why[static RUN_ERROR_SIZE])
{
    return run_tun_is_there(why) && have_program("nft", "nftables", why);
}

bool run_tun_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    uint32_t programs = 0;
    for (uint32_t i = 0; i < scenario->place_count; i++)
        programs += plan_is_node(&scenario->places[i]);
    if (programs > PROGRAMS_MAX) {
        snprintf(why, RUN_ERROR_SIZE, "%u programs at once are more than the %d that start in time",
                 programs, PROGRAMS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        if (scenario->actions[i].kind != PLAN_CLOCK)
            continue;
        snprintf(why, RUN_ERROR_SIZE,
                 "a process has the machine's wall clock, which cannot be set for it alone");
        return false;
    }
    return !run_needs_ns3(scenario, why) && guests_can(scenario, why);
}
