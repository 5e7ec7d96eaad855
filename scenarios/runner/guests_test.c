/* What the programs of other meshes can be asked for. How they fare is tested where namespaces are:
   netns/adapter_test.c, and scenarios/peers.lua. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netns/adapter.h"
#include "scenarios/runner/guests.h"
#include "scenarios/runner/load.h"

#define HOSTS "server 's' {} router 'r' { nat = 'home' } client 'a' { behind = 'r' } client 'b' "
#define CONNECT "at '8s' { connect('a', 'b') } "

static void load(struct plan *plan, const char *text)
{
    char error[LOAD_ERROR_SIZE];
    if (!plan_load(plan, "x.lua", text, strlen(text), error))
        fail_msg("%s", error);
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *script;
        const char *why;
    } cases[] = {
        {CONNECT "at '9s' { send('a', 'b', { count = 1 }) }",
         "send is only for Warren's own programs, not for tinc"},
        {CONNECT "at '9s' { talk('a', 'b', { count = 1 }) }",
         "talk is only for Warren's own programs, not for tinc"},
        {"at '9s' { classify 'a' }", "classify is only for Warren's own programs, not for tinc"},
        {CONNECT "at '9s' { suspend 'a' }",
         "suspend is only for Warren's own programs, not for tinc"},
        {CONNECT "at '9s' { restart 's' }",
         "restart is only for Warren's own programs, not for tinc"},
        {CONNECT "hostile 'eve' at '9s' { flood('eve', 's', { count = 1 }) }",
         "flood is only for Warren's own programs, not for tinc"},
        {CONNECT "at '9s' { connect('b', 'a') }",
         "tinc runs with one connect and 250 hosts at most"},
        {CONNECT "for i = 1, 248 do client('c' .. i) {} end",
         "tinc runs with one connect and 250 hosts at most"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512], why[RUN_ERROR_SIZE] = "";
        struct plan plan;
        snprintf(text, sizeof text, "scenario 't' program 'tinc' " HOSTS "%s", cases[i].script);
        load(&plan, text);
        assert_false(guests_can(&plan.scenarios[0], why));
        assert_string_equal(why, cases[i].why);
        plan_free(&plan);
        /* Warren's own programs are not asked. */
        snprintf(text, sizeof text, "scenario 't' " HOSTS "%s", cases[i].script);
        load(&plan, text);
        assert_true(guests_can(&plan.scenarios[0], why));
        plan_free(&plan);
    }
}

/* Then it depends on what the machine has. */
static void test_what_is_not(void **state)
{
    (void)state;
    for (uint32_t i = 0; adapter_at(i) != NULL; i++) {
        char text[512], why[RUN_ERROR_SIZE] = "", missing[SPACE_ERROR_SIZE] = "";
        struct plan plan;
        snprintf(text, sizeof text,
                 "scenario 't' program '%s' " HOSTS CONNECT
                 "at '9s' { flush 'r' } at '10s' { down 'b', up 'b' }",
                 adapter_at(i)->name);
        load(&plan, text);
        assert_int_equal(guests_can(&plan.scenarios[0], why),
                         adapter_is_installed(adapter_at(i), missing));
        assert_string_equal(why, missing);
        plan_free(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
