/*
 * Fuzzes the readers of text files: any bytes are a configuration, and a file of keys, that are
 * refused with printable sentences, or accepted, and then within all bounds. A file of keys that is
 * written again is the same file.
 */
#include "daemon/config.h"
#include "core/base/check.h"
#include "daemon/keyfile.h"
#include "fuzz/harness.h"

static void check_text(const char *text, size_t room)
{
    const char *end = memchr(text, 0, room);
    check(end != NULL && end > text);
    for (const char *c = text; *c != 0; c++)
        check((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f);
}

/* A string that the struct has, and that is no longer than it may be. */
#define CHECK_STRING(string) check(memchr((string), 0, sizeof(string)) != NULL)

static void check_peers(const struct config *config)
{
    for (uint32_t i = 0; i < config->peer_count; i++) {
        const struct config_peer *peer = &config->peers[i];
        CHECK_STRING(peer->name);
        CHECK_STRING(peer->psk);
        check(label_is_valid(peer->name, strlen(peer->name), IDENTITY_LABEL_MAX));
        check(peer->in.subnet_count <= NODE_PEER_SUBNETS);
        for (uint32_t k = 0; k < peer->in.subnet_count; k++)
            check(subnet_is_valid(&peer->in.subnets[k]));
    }
    for (uint32_t i = 0; i < config->server_count; i++) {
        CHECK_STRING(config->servers[i].name);
        check(config->servers[i].card[0] != 0);
    }
}

static void check_good(const struct config *config)
{
    const char *paper = config->server ? config->certificate : config->credential;
    CHECK_STRING(config->identity);
    CHECK_STRING(config->interface);
    CHECK_STRING(config->control);
    CHECK_STRING(config->user);
    check(config->identity[0] != 0 && paper[0] != 0);
    check(config->listen_count >= 1 && config->listen_count <= CONFIG_ADDRESSES_MAX);
    check(config->advertise_count <= CONFIG_ADDRESSES_MAX);
    check(config->address_count <= CONFIG_ADDRESSES_MAX);
    check(config->server || config->server_count > 0);
    check(config->mtu <= NODE_PACKET_MAX);
    check_peers(config);
}

static void read_config(const char *text, size_t size)
{
    struct config config;
    struct config_errors errors;
    if (config_parse(&config, text, size, "fuzz/config", &errors)) {
        check(errors.count == 0);
        check_good(&config);
        config_free(&config);
        return;
    }
    check(errors.count > 0 && config.peers == NULL && config.servers == NULL);
    for (uint32_t i = 0; i < errors.count && i < CONFIG_ERRORS_MAX; i++) {
        const uint32_t line = errors.list[i].line;
        check_text(errors.list[i].text, sizeof errors.list[i].text);
        check(i == 0 || line == 0 || line >= errors.list[i - 1].line);
    }
}

static void read_keyfile(const char *text)
{
    static char again[KEYFILE_BYTES_MAX], third[KEYFILE_BYTES_MAX];
    struct keyfile file, other;
    struct keyfile_error error;
    if (!keyfile_parse(&file, KEYFILE_NONE, text, "fuzz", &error)) {
        check_text(error.text, sizeof error.text);
        return;
    }
    check(error.text[0] == 0);
    const size_t size = keyfile_format(&file, again, sizeof again);
    check(strlen(again) == size);
    check(keyfile_parse(&other, file.kind, again, "fuzz", &error));
    check(keyfile_format(&other, third, sizeof third) == size);
    check(memcmp(again, third, size) == 0);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    read_config(text, size);
    read_keyfile(text);
    free(text);
}
