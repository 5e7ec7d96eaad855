/* Lines of daemons, as they write them, read back; and whatever else may stand in a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/text.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/programs_log.h"

static struct programs_said read_line(const char *line)
{
    struct programs_said said;
    programs_log_read(&said, line, strlen(line));
    return said;
}

static void test_others(void **state)
{
    static const char *const lines[] = {
        "",
        "warrend: cannot listen on 198.18.0.2:51941 (punch-port=)",
        "{",
        "[]",
        "null",
        "7",
        "\"home\"",
        "{}",
        "{\"event\":null}",
        "{\"event\":\"network\",\"addresses\":2}",
        "{\"event\":\"home\"}",
        "{\"event\":\"home\",\"server\":\"none\",\"mapped\":\"none\"}",
        "{\"event\":\"home\",\"server\":7}",
        "{\"event\":\"path\",\"path\":\"direct\"}",
        "{\"event\":\"path\",\"path\":\"direct\",\"identity\":\"bob\"}",
        "{\"event\":\"ready\"",
        "{\"event\":\"other\",\"nat\":\"none\"}",
        "{\"nat\":7}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_int_equal(read_line(lines[i]).kind, PROGRAMS_SAID_OTHER);
}

static void test_ready(void **state)
{
    (void)state;
    struct programs_said said =
        read_line("{\"time\":\"2026-11-21T10:00:00.123Z\",\"level\":\"info\",\"event\":\"ready\","
                  "\"version\":\"0.1\",\"role\":\"client\",\"name\":\"alice\"}");
    assert_int_equal(said.kind, PROGRAMS_SAID_READY);
    said = read_line("{\"level\":\"info\",\"event\":\"config-read\",\"peers\":1}");
    assert_int_equal(said.kind, PROGRAMS_SAID_REREAD);
}

static void test_home(void **state)
{
    struct addr server = addr_v4(0xc6120002, 51941), mapped = addr_v4(0xc6120004, 40000);
    (void)state;
    struct programs_said said =
        read_line("{\"event\":\"home\",\"name\":\"s1\",\"server\":\"198.18.0.2:51941\","
                  "\"mapped\":\"198.18.0.4:40000\"}");
    assert_int_equal(said.kind, PROGRAMS_SAID_HOME);
    assert_true(addr_equal(&said.server, &server));
    assert_true(addr_equal(&said.mapped, &mapped));
    said = read_line("{\"event\":\"home-lost\"}");
    assert_int_equal(said.kind, PROGRAMS_SAID_HOME);
    assert_int_equal(said.server.family, ADDR_NONE);
    said = read_line("{\"event\":\"home\",\"server\":\"[2001:db8::2]:51941\"}");
    assert_int_equal(said.server.family, ADDR_V6);
    assert_int_equal(said.server.port, 51941);
}

static void test_paths(void **state)
{
    static const struct {
        const char *word;
        enum node_path path;
    } paths[] = {{"pending", NODE_PATH_PENDING},
                 {"relayed", NODE_PATH_RELAYED},
                 {"direct", NODE_PATH_DIRECT},
                 {"unreachable", NODE_PATH_UNREACHABLE}};
    char key[TEXT_KEY_SIZE], line[512];
    (void)state;
    text_key(key, mesh_key("bob"));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (int reason = REASON_NONE; reason < REASON_COUNT; reason++) {
            snprintf(line, sizeof line,
                     "{\"event\":\"path\",\"identity\":\"%s\",\"path\":\"%s\",\"reason\":\"%s\"}",
                     key, paths[i].word, reason_name((enum reason)reason));
            struct programs_said said = read_line(line);
            assert_int_equal(said.kind, PROGRAMS_SAID_PATH);
            assert_memory_equal(said.peer, mesh_key("bob"), IDENTITY_SIZE);
            assert_int_equal(said.path, paths[i].path);
            assert_int_equal(said.reason, reason);
        }
}

/* A daemon says it in its log, stun-probe by itself. */
static void test_behaviour(void **state)
{
    static const char *const lines[] = {
        "{\"event\":\"discovered\",\"nat\":\"present\",\"mapping\":\"APDM\",\"filtering\":\"ADF\","
        "\"mapped\":\"198.18.0.9:7\",\"hairpin\":\"external\",\"ports\":\"sequential\","
        "\"step\":-2,\"pooling\":\"arbitrary\",\"trap\":\"yes\",\"server\":\"198.18.0.2:3478\","
        "\"local\":\"192.168.1.2:9\"}",
        "{\"server\":\"198.18.0.2:3478\",\"local\":\"192.168.1.2:9\",\"mapped\":\"198.18.0.9:7\","
        "\"nat\":\"present\",\"mapping\":\"APDM\",\"filtering\":\"ADF\",\"hairpin\":\"external\","
        "\"ports\":\"sequential\",\"step\":-2,\"pooling\":\"arbitrary\",\"trap\":\"yes\","
        "\"sent\":40,\"received\":30,\"duration_ns\":5000000000}",
    };
    const struct addr mapped = addr_v4(0xc6120009, 7);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct programs_said said = read_line(lines[i]);
        const struct stun_behaviour *found = &said.behaviour;
        assert_int_equal(said.kind, PROGRAMS_SAID_BEHAVIOUR);
        assert_int_equal(found->nat, STUN_NAT_PRESENT);
        assert_int_equal(found->mapping, STUN_MAPPING_APDM);
        assert_int_equal(found->filtering, STUN_FILTERING_ADF);
        assert_int_equal(found->hairpin, STUN_HAIRPIN_EXTERNAL);
        assert_int_equal(found->ports, STUN_PORTS_SEQUENTIAL);
        assert_int_equal(found->step, -2);
        assert_int_equal(found->pooling, STUN_POOLING_ARBITRARY);
        assert_int_equal(found->trap, STUN_TRAP_YES);
        assert_true(addr_equal(&found->mapped, &mapped));
        assert_int_equal(found->local.port, 9);
        assert_int_equal(found->server.port, 3478);
        assert_int_equal(found->sent, i == 0 ? 0 : 40);
        assert_true(found->duration_ns == (i == 0 ? 0 : UINT64_C(5000000000)));
    }
    struct programs_said said =
        read_line("{\"server\":\"198.18.0.2:3478\",\"local\":null,\"mapped\":null,"
                  "\"nat\":\"blocked\",\"mapping\":\"unknown\",\"filtering\":\"new\"}");
    assert_int_equal(said.kind, PROGRAMS_SAID_BEHAVIOUR);
    assert_int_equal(said.behaviour.nat, STUN_NAT_BLOCKED);
    assert_int_equal(said.behaviour.filtering, STUN_FILTERING_UNKNOWN);
    assert_int_equal(said.behaviour.mapped.family, ADDR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others),    cmocka_unit_test(test_ready),
        cmocka_unit_test(test_home),      cmocka_unit_test(test_paths),
        cmocka_unit_test(test_behaviour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
