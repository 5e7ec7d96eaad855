/* Tests the configuration: what each key means, and what is said of every kind of mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/text.h"

/* Public keys of ones and of twos. */
#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define TWOS "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define ONES_START "AQEBAQEB"

/* Five and four lines, then a section of two; and what a mistake is put behind. */
#define CLIENT "[warren]\nrole=client\nroot=" ONES "\nidentity=me\ncredential=me.cred\n"
#define CLIENT_SERVER "[server \"s1\"]\ncard=s1.card\n"
#define SERVER "[warren]\nrole=server\nroot=" ONES "\nidentity=me\ncertificate=me.cert\n"

static struct config config;
static struct config_errors errors;

static bool parse(const char *text)
{
    return config_parse(&config, text, strlen(text), "/etc/w/f", &errors);
}

/* What would be printed. */
static const char *printed(void)
{
    static char text[16384];
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    config_print_errors(&errors, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void expect_good(const char *text)
{
    if (!parse(text))
        fail_msg("%s", printed());
    assert_int_equal(errors.count, 0);
}

static void assert_addr(const struct addr *addr, const char *wanted)
{
    char text[TEXT_ADDR_SIZE];
    assert_string_equal(text_addr(text, addr), wanted);
}

static void the_least_a_client_needs(void **state)
{
    (void)state;
    expect_good(CLIENT CLIENT_SERVER);
    uint8_t ones[IDENTITY_SIZE];
    memset(ones, 1, sizeof ones);
    assert_false(config.server);
    assert_memory_equal(config.root, ones, sizeof ones);
    assert_string_equal(config.identity, "/etc/w/me");
    assert_string_equal(config.credential, "/etc/w/me.cred");
    assert_string_equal(config.certificate, "");
    assert_string_equal(config.interface, "warren0");
    assert_int_equal(config.address_count, 0);
    assert_int_equal(config.mtu, 1400);
    assert_int_equal(config.listen_count, 1);
    assert_addr(&config.listen[0], "0.0.0.0");
    assert_int_equal(config.advertise_count, 0);
    assert_int_equal(config.traffic_port, 0);
    assert_string_equal(config.control, "/run/warren/control");
    assert_string_equal(config.state_dir, "/var/lib/warren");
    assert_string_equal(config.user, "");
    assert_string_equal(config.group, "warren");
    assert_int_equal(config.log_level, LOG_LEVEL_INFO);
    assert_false(config.log_json);
    assert_string_equal(config.log_file, "");
    assert_string_equal(config.tape, "");
    assert_int_equal(config.ring_tape_mib, 4);
    assert_false(config.tape_packets);
    assert_int_equal(config.server_count, 1);
    assert_string_equal(config.servers[0].name, "s1");
    assert_string_equal(config.servers[0].card, "/etc/w/s1.card");
    assert_int_equal(config.servers[0].line, 6);
    assert_int_equal(config.peer_count, 0);
    config_free(&config);
    assert_null(config.servers);
}

static void the_least_a_server_needs(void **state)
{
    (void)state;
    expect_good(SERVER);
    assert_true(config.server);
    assert_string_equal(config.certificate, "/etc/w/me.cert");
    assert_string_equal(config.interface, "");
    assert_int_equal(config.tunnel_port, 51940);
    assert_int_equal(config.punch_port, 51941);
    assert_int_equal(config.relay_port, 9103);
    assert_int_equal(config.stun_port, 3478);
    assert_int_equal(config.stun_alternate_port, 3479);
    config_free(&config);
    expect_good(SERVER "address = 10.64.0.1/22\nlisten = 192.0.2.1, ::\n");
    assert_string_equal(config.interface, "warren0");
    assert_int_equal(config.advertise_count, 1); /* what it listens on, where that is one address */
    assert_addr(&config.advertise[0], "192.0.2.1");
    config_free(&config);
}

static void every_key_is_read(void **state)
{
    (void)state;
    expect_good(
        "[warren]\nrole = server\nroot = " ONES "\nidentity = /keys/me\n"
        "certificate = me.cert\ninterface = mesh1\naddress = 10.64.0.1/22\n"
        "address = 2001:db8::1/64, 10.65.0.1/16\nmtu = 1280\nlisten = 192.0.2.1 ,2001:db8::2\n"
        "advertise = 203.0.113.1\nregion = eu\ntunnel-port = 1\npunch-port = 2\n"
        "relay-port = 3\nstun-port = 0\nstun-alternate-port = 0\ncontrol = /c\n"
        "state-dir = state\nuser = u\ngroup = g\nlog-level = debug\nlog-format = json\n"
        "log-file = /log\ntape = /tape\nring-tape = 0\ntape-packets = yes\n");
    assert_string_equal(config.identity, "/keys/me");
    assert_string_equal(config.interface, "mesh1");
    assert_int_equal(config.address_count, 3);
    assert_addr(&config.addresses[0].addr, "10.64.0.1");
    assert_int_equal(config.addresses[0].bits, 22);
    assert_addr(&config.addresses[1].addr, "2001:db8::1");
    assert_int_equal(config.addresses[1].bits, 64);
    assert_int_equal(config.addresses[2].bits, 16);
    assert_int_equal(config.mtu, 1280);
    assert_int_equal(config.listen_count, 2);
    assert_addr(&config.listen[1], "2001:db8::2");
    assert_int_equal(config.advertise_count, 1);
    assert_addr(&config.advertise[0], "203.0.113.1");
    assert_memory_equal(config.region.text, "eu", config.region.size);
    assert_int_equal(config.tunnel_port, 1);
    assert_int_equal(config.punch_port, 2);
    assert_int_equal(config.relay_port, 3);
    assert_int_equal(config.stun_port, 0);
    assert_int_equal(config.stun_alternate_port, 0);
    assert_string_equal(config.control, "/c");
    assert_string_equal(config.state_dir, "/etc/w/state");
    assert_string_equal(config.user, "u");
    assert_string_equal(config.group, "g");
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    assert_true(config.log_json);
    assert_string_equal(config.log_file, "/log");
    assert_string_equal(config.tape, "/tape");
    assert_int_equal(config.ring_tape_mib, 0);
    assert_true(config.tape_packets);
    config_free(&config);
}

static void peers_of_both_kinds(void **state)
{
    (void)state;
    expect_good(CLIENT "traffic-port = 7\n" CLIENT_SERVER "[peer \"bob\"]\nidentity = " ONES
                       "\nsubnets = 10.64.0.9/24\n"
                       "subnets = 2001:db8::/64\n"
                       "[peer \"phone\"]\nkey = " TWOS "\nsubnets = 10.64.0.3\n"
                       "endpoint = 192.0.2.1:51820\nkeepalive = 25\nhub = yes\npsk = phone.psk\n");
    assert_int_equal(config.traffic_port, 7);
    assert_int_equal(config.peer_count, 2);
    const struct node_in_peer *mesh = &config.peers[0].in, *stock = &config.peers[1].in;
    static const uint8_t zero[IDENTITY_SIZE];
    char text[TEXT_ADDR_SIZE];
    assert_string_equal(config.peers[0].name, "bob");
    assert_int_equal(mesh->peer[0], 1);
    assert_memory_equal(mesh->key, zero, sizeof zero);
    assert_int_equal(mesh->subnet_count, 2);
    assert_string_equal(text_subnet(text, &mesh->subnets[0]), "10.64.0.0/24");
    assert_true(subnet_is_valid(&mesh->subnets[1]));
    assert_string_equal(config.peers[0].psk, "");
    assert_string_equal(config.peers[1].name, "phone");
    assert_int_equal(config.peers[1].line, 13);
    assert_memory_equal(stock->peer, zero, sizeof zero);
    assert_int_equal(stock->key[0], 2);
    assert_string_equal(text_subnet(text, &stock->subnets[0]), "10.64.0.3/32");
    assert_addr(&stock->endpoint, "192.0.2.1:51820");
    assert_int_equal(stock->keepalive_s, 25);
    assert_true(stock->hub);
    assert_false(stock->remove);
    assert_memory_equal(stock->psk, zero, sizeof zero);
    assert_string_equal(config.peers[1].psk, "/etc/w/phone.psk");
    config_free(&config);
}

struct mistake {
    const char *text;
    const char *error; /* all that is printed */
};

static void expect_mistakes(const char *before, const char *after, const struct mistake *mistakes,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[4096], wanted[1024];
        snprintf(text, sizeof text, "%s%s\n%s", before, mistakes[i].text, after);
        assert_false(parse(text));
        snprintf(wanted, sizeof wanted, "/etc/w/f:%s\n", mistakes[i].error);
        assert_string_equal(printed(), wanted);
        static const struct config zero;
        assert_memory_equal(&config, &zero, sizeof config);
    }
}

/* Line 6 of a server's. */
static void values_that_are_wrong(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"mtu=", "6: mtu= must be a number from 576 to 1420; there is nothing"},
        {"mtu=575", "6: mtu= must be a number from 576 to 1420, not '575'"},
        {"mtu=1421", "6: mtu= must be a number from 576 to 1420, not '1421'"},
        {"mtu=1400 bytes", "6: mtu= must be a number from 576 to 1420, not '1400 bytes'"},
        {"tunnel-port=0", "6: tunnel-port= must be a port from 1 to 65535, not '0'"},
        {"stun-port=65536", "6: stun-port= must be a port from 0 to 65535, not '65536'"},
        {"ring-tape=-1", "6: ring-tape= must be a number from 0 to 1024, not '-1'"},
        {"tape-packets=true", "6: tape-packets= must be yes or no, not 'true'"},
        {"log-level=Info", "6: log-level= must be error, warn, info or debug, not 'Info'"},
        {"log-format=xml", "6: log-format= must be text or json, not 'xml'"},
        {"region=EU",
         "6: region= must be 1 to 63 of a-z, 0-9 and -, not - at either end, not 'EU'"},
        {"interface=a/b",
         "6: interface= must be a name of 1 to 15 characters, such as warren0, not 'a/b'"},
        {"interface=0123456789abcdef",
         "6: interface= must be a name of 1 to 15 characters, such as "
         "warren0, not '0123456789abcdef'"},
        {"interface=..",
         "6: interface= must be a name of 1 to 15 characters, such as warren0, not '..'"},
        {"user=",
         "6: user= must be a name of 1 to 32 characters, such as nobody; there is nothing"},
        {"listen=fe80::1", "6: listen= must be addresses of this machine, not link-local, such as "
                           "0.0.0.0, ::, not 'fe80::1'"},
        {"listen=192.0.2.1,", "6: listen= must be addresses of this machine, not link-local, such "
                              "as 0.0.0.0, ::; there is nothing"},
        {"listen=224.0.0.1",
         "6: listen= must be addresses of this machine, not link-local, such as "
         "0.0.0.0, ::, not '224.0.0.1'"},
        {"listen=192.0.2.1, 192.0.2.1", "6: listen= has 192.0.2.1 twice"},
        {"listen=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9",
         "6: listen= has more than 8 addresses"},
        {"advertise=0.0.0.0", "6: advertise= must be addresses of this machine, not link-local, "
                              "such as 192.0.2.1, 2001:db8::1, not '0.0.0.0'"},
        {"address=10.64.0.1/33", "6: address= must be an address with its network's size, such as "
                                 "10.64.0.1/22, not '10.64.0.1/33'"},
        {"address=10.64.0.1/0", "6: address= must be an address with its network's size, such as "
                                "10.64.0.1/22, not '10.64.0.1/0'"},
        {"control=", "6: control= must be the name of a file; there is nothing"},
        {"control=/0123456789012345678901234567890123456789012345678901234567890123456789012345678"
         "901234567890123456789",
         "6: control= must be a name of less than 100 bytes, with its folder"},
        {"mtu", "6: no = in this line; a line is NAME = VALUE"},
        {"mtu=1400\nmtu=1400", "7: mtu= is there twice; the first is in line 6"},
        {"credential=c", "6: credential= is for role=client, and this is a server"},
        {"traffic-port=1", "6: traffic-port= is for role=client, and this is a server"},
        {"punch-port=3479",
         "6: punch-port= and stun-alternate-port= are both 3479; each needs a port of its own"},
        {"stun-port=0",
         "6: stun-port=0 serves no STUN, and then stun-alternate-port= must be 0 too"},
    };
    expect_mistakes(SERVER, "", mistakes, sizeof mistakes / sizeof *mistakes);
}

static void words_that_are_wrong(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"adress=10.64.0.1/22", "6: [warren] has no adress=; did you mean address=?"},
        {"tunnel_port=5", "6: [warren] has no tunnel_port=; did you mean tunnel-port=?"},
        {"Role=server", "6: [warren] has no Role=; did you mean role=?"},
        {"bandwidth=9", "6: [warren] has no bandwidth=; warrend.conf(5) lists the keys"},
        {"subnets=10.0.0.0/8", "6: subnets= is no key of [warren]; it belongs to [peer \"NAME\"]"},
        {"[pear \"bob\"]", "6: there is no section [pear]; did you mean [peer \"NAME\"]?"},
        {"[Warren]", "6: there is no section [Warren]; did you mean [warren]?"},
        {"[Interface]\nPrivateKey = " ONES, "6: no section of this file; there are [warren], "
                                            "[server \"NAME\"] and [peer \"NAME\"]"},
        {"[peer]", "6: the heading must be [peer \"NAME\"]"},
        {"[peer bob]",
         "6: not a heading; there are [warren], [server \"NAME\"] and [peer \"NAME\"]"},
        {"[warren \"x\"]", "6: the heading must be [warren]"},
        {"[peer \"Bob\"]",
         "6: the name of a peer must be 1 to 63 of a-z, 0-9 and -, not - at either end"},
        {"[server \"s_1\"]\ncards=x",
         "6: the name of a server must be 1 to 63 of a-z, 0-9 and -, not - at either end"},
        {"[warren]\nmtu=1", "6: a second [warren]; the first is in line 1"},
        {"[server \"s2\"]",
         "6: card= is missing: the server's card, which it writes to its state-dir"},
        {"[server \"s2\"]\ncard=a\n[server \"s2\"]\ncard=b",
         "8: this name is also that of \"s2\" in line 6"},
    };
    expect_mistakes(SERVER, "", mistakes, sizeof mistakes / sizeof *mistakes);
}

/* Line 9 is the first of the peer's. */
static void peers_that_are_wrong(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"identity=" ONES "\nhub=yes",
         "10: hub= is for stock WireGuard peers, and one with identity= is of the mesh"},
        {"identity=" ONES "\nendpoint=192.0.2.1:1",
         "10: endpoint= is for stock WireGuard peers, and one with identity= is of the mesh"},
        {"identity=" ONES "\nkeepalive=1",
         "10: keepalive= is for stock WireGuard peers, and one with identity= is of the mesh"},
        {"subnets=10.64.0.3",
         "8: this peer has neither identity= (of the mesh) nor key= (stock WireGuard)"},
        {"key=" ONES, "8: subnets= is missing: a stock peer's addresses, such as 10.64.0.3/32"},
        {"identity=bob",
         "9: identity= must be a public key: 44 characters of base64, and not the name of a file"},
        {"key=" ONES "\nsubnets=10.64.0.3/32, 10.64.0.4/32x",
         "10: subnets= must be prefixes, such as 10.64.0.3/32, 2001:db8::/64, not '10.64.0.4/32x'"},
        {"key=" ONES "\nsubnets=10.64.0.3/32, 0.0.0.0/0",
         "10: subnets= must not be everything, since what goes to servers and peers outside would "
         "then go into the tunnel; name smaller prefixes"},
        {"identity=" ONES "\nsubnets=2001:db8::/0",
         "10: subnets= must not be everything, since what goes to servers and peers outside would "
         "then go into the tunnel; name smaller prefixes"},
        {"key=" ONES "\nsubnets=10.64.0.3/24, 10.64.0.4/24", "10: subnets= has 10.64.0.0/24 twice"},
        {"key=" ONES "\nsubnets=10.64.0.3\nendpoint=192.0.2.1",
         "11: endpoint= must be ADDRESS:PORT, such as 192.0.2.1:51820 or [2001:db8::1]:51820, not "
         "'192.0.2.1'"},
        {"key=" ONES "\nsubnets=10.64.0.3\nkeepalive=1m",
         "11: keepalive= must be a number of seconds from 0 to 65535, not '1m'"},
        {"identity=" ONES "\n[peer \"bob\"]\nidentity=" TWOS,
         "10: this name is also that of \"bob\" in line 8"},
        {"identity=" ONES "\n[peer \"eve\"]\nidentity=" ONES,
         "10: this identity is also that of \"bob\" in line 8"},
        {"identity=" ONES "\nkey=" TWOS "\n[peer \"eve\"]\nsubnets=10.64.0.3\nkey=" TWOS,
         "11: this key is also that of \"bob\" in line 8"},
        {"identity=" ONES "\nsubnets=10.0.0.0/8\n[peer \"eve\"]\nidentity=" TWOS
         "\nsubnets=10.1.0.0/16, 10.1.2.3/8",
         "11: one of these subnets is also that of \"bob\" in line 8"},
    };
    expect_mistakes(CLIENT CLIENT_SERVER "[peer \"bob\"]\n", "", mistakes,
                    sizeof mistakes / sizeof *mistakes);
}

static void what_is_missing(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"", " there is no [warren] section, which says what this node is"},
        {"mtu=1", "1: a value before the first section; begin with [warren]\n"
                  "/etc/w/f: there is no [warren] section, which says what this node is"},
        {"[warren]", "1: [warren] needs role=, client or server\n"
                     "/etc/w/f:1: [warren] needs root=, the mesh's root key: what `warren root` "
                     "printed\n"
                     "/etc/w/f:1: [warren] needs identity=, the file that `warren keygen` made"},
        {"[warren]\nrole=server\nroot=" ONES "\nidentity=me",
         "1: [warren] needs certificate=, the file that `warren certify` made"},
        {"[warren]\nrole=client\nroot=" ONES "\nidentity=me",
         "1: [warren] needs credential=, the file that `warren enroll` made\n"
         "/etc/w/f: there is no [server \"NAME\"] section; a client needs one server's card at "
         "least"},
        {"[warren]\nrole=peer\nroot=" ONES "\nidentity=me\ncertificate=c",
         "2: role= must be client or server, not 'peer'"},
    };
    expect_mistakes("", "", mistakes, sizeof mistakes / sizeof *mistakes);
}

/* Wherever a secret is put by mistake, what is said of it does not have it. */
static void secrets_are_never_repeated(void **state)
{
    (void)state;
    static const char *const lines[] = {
        ONES,
        "PrivateKey=" ONES,
        "psk=" ONES,
        "identity=" ONES,
        "control=" ONES,
        "tape=" ONES,
        "mtu=" ONES,
        "role=" ONES,
        "root=x" ONES,
        "listen=" ONES,
        "address=" ONES,
        "user=" ONES,
        "interface=" ONES,
        "region=" ONES,
        "log-level=" ONES,
        "log-format=" ONES,
        "tape-packets=" ONES,
        ONES " = x",
        "x" ONES " x",
        "[" ONES "]",
        "[peer \"" ONES "\"]",
        "[server \"x\"]\ncard=" ONES,
        "[peer \"x\"]\nkey=x" ONES,
        "[peer \"x\"]\npsk=" ONES,
        "[peer \"x\"]\nendpoint=" ONES,
        "[peer \"x\"]\nsubnets=" ONES,
        "[peer \"x\"]\nkeepalive=" ONES,
        "[peer \"x\"]\nhub=" ONES,
        "[" ONES,
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[512];
        snprintf(text, sizeof text, "[warren]\n%s\n", lines[i]);
        assert_false(parse(text));
        assert_true(errors.count > 0);
        assert_null(strstr(printed(), ONES_START));
    }
}

static void mistakes_are_bounded_and_in_order(void **state)
{
    (void)state;
    char text[2048] = SERVER;
    for (int i = 0; i < CONFIG_ERRORS_MAX + 3; i++)
        strcat(text, "x=1\n");
    assert_false(parse(text));
    assert_int_equal(errors.count, CONFIG_ERRORS_MAX + 3);
    for (uint32_t i = 0; i < CONFIG_ERRORS_MAX; i++)
        assert_int_equal(errors.list[i].line, 6 + i);
    assert_non_null(strstr(printed(), "/etc/w/f: 3 more mistakes like these\n"));
}

static void many_peers_fit(void **state)
{
    (void)state;
    enum { PEERS = 2000, ROOM = 128 };
    char *text = calloc(PEERS + 1, ROOM);
    assert_non_null(text);
    strcpy(text, SERVER);
    size_t size = strlen(text);
    for (unsigned i = 0; i < PEERS; i++) {
        uint8_t key[TEXT_KEY_BYTES] = {1, (uint8_t)i, (uint8_t)(i >> 8)};
        char base64[TEXT_KEY_SIZE];
        size += (size_t)sprintf(text + size, "[peer \"p%u\"]\nkey=%s\nsubnets=10.%u.%u.1/32\n", i,
                                text_key(base64, key), i >> 8, i & 255);
    }
    expect_good(text);
    assert_int_equal(config.peer_count, PEERS);
    assert_string_equal(config.peers[PEERS - 1].name, "p1999");
    assert_int_equal(config.peers[PEERS - 1].in.key[2], 1999 >> 8);
    config_free(&config);
    free(text);
}

static void files_are_loaded(void **state)
{
    (void)state;
    char folder[] = "/tmp/warren-config-XXXXXX", path[64], wanted[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f", folder);
    assert_false(config_load(&config, path, &errors));
    snprintf(wanted, sizeof wanted, "%s: No such file or directory\n", path);
    assert_string_equal(printed(), wanted);
    assert_false(config_load(&config, "/dev/null", &errors));
    assert_string_equal(printed(), "/dev/null: not a regular file\n");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(SERVER, file);
    fclose(file);
    assert_true(config_load(&config, path, &errors));
    snprintf(wanted, sizeof wanted, "%s/me", folder);
    assert_string_equal(config.identity, wanted);
    config_free(&config);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_a_client_needs),
        cmocka_unit_test(the_least_a_server_needs),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(peers_of_both_kinds),
        cmocka_unit_test(values_that_are_wrong),
        cmocka_unit_test(words_that_are_wrong),
        cmocka_unit_test(peers_that_are_wrong),
        cmocka_unit_test(what_is_missing),
        cmocka_unit_test(secrets_are_never_repeated),
        cmocka_unit_test(mistakes_are_bounded_and_in_order),
        cmocka_unit_test(many_peers_fit),
        cmocka_unit_test(files_are_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
