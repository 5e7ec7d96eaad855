/* The values of the configuration: how each kind is read, and what is said of a wrong one. */
#include "daemon/config_key.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "daemon/config.h"
#include "daemon/text.h"

enum { SHOWN_SIZE = 64, ITEM_SIZE = 64 };

struct value {
    const struct config_key *key;
    void *to;    /* the section's struct, */
    uint8_t *at; /* and the member in it */
    const char *text;
    const char *file;
    char *what;
};

/* Always false. */
__attribute__((format(printf, 2, 3))) static bool wrong(const struct value *value,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value->what, CONFIG_WHAT_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

/*
 * A value to be repeated in a message: short and printable, and with nothing that could be a key,
 * which somebody put in the wrong place.
 */
static const char *shown(char to[static SHOWN_SIZE], const char *text)
{
    const size_t size = strlen(text);
    bool printable = true;
    for (size_t i = 0; i < size; i++)
        printable = printable && text[i] >= ' ' && text[i] <= '~';
    if (size == 0)
        snprintf(to, SHOWN_SIZE, "; there is nothing");
    else if (size < 40 && printable)
        snprintf(to, SHOWN_SIZE, ", not '%s'", text);
    else
        to[0] = 0;
    return to;
}

static bool set_role(const struct value *value)
{
    char text[SHOWN_SIZE];
    const bool server = strcmp(value->text, "server") == 0;
    if (!server && strcmp(value->text, "client") != 0)
        return wrong(value, "must be client or server%s", shown(text, value->text));
    memcpy(value->at, &server, sizeof server);
    return true;
}

static bool set_key(const struct value *value)
{
    check(value->key->size == TEXT_KEY_BYTES);
    return text_parse_key(value->at, value->text) ||
           wrong(value,
                 "must be a public key: 44 characters of base64, and not the name of a file");
}

static bool set_file(const struct value *value)
{
    uint8_t key[TEXT_KEY_BYTES];
    const char *text = value->text;
    if (text_parse_key(key, text)) {
        memset(key, 0, sizeof key);
        return wrong(value, "must be the name of a file; no key belongs in this one");
    }
    if (*text == 0)
        return wrong(value, "must be the name of a file; there is nothing");
    const char *slash = text[0] == '/' ? NULL : strrchr(value->file, '/');
    const size_t folder = slash != NULL ? (size_t)(slash - value->file) + 1 : 0;
    const size_t size = strlen(text);
    if (folder + size >= value->key->size)
        return wrong(value, "must be a name of less than %zu bytes, with its folder",
                     value->key->size);
    memcpy(value->at, value->file, folder);
    memcpy(value->at + folder, text, size + 1);
    return true;
}

/* As the kernel has it: dev_valid_name() in net/core/dev.c. */
static bool set_interface(const struct value *value)
{
    char text[SHOWN_SIZE];
    const size_t size = strlen(value->text);
    const bool dots = strcmp(value->text, ".") == 0 || strcmp(value->text, "..") == 0;
    if (size == 0 || size >= value->key->size || dots ||
        value->text[strcspn(value->text, "/: \t\"%")] != 0)
        return wrong(value, "must be a name of 1 to 15 characters, such as warren0%s",
                     shown(text, value->text));
    memcpy(value->at, value->text, size + 1);
    return true;
}

static bool set_user(const struct value *value)
{
    char text[SHOWN_SIZE];
    const size_t size = strlen(value->text);
    if (size == 0 || size >= value->key->size || value->text[strcspn(value->text, ": /\t\"")] != 0)
        return wrong(value, "must be a name of 1 to 32 characters, such as nobody%s",
                     shown(text, value->text));
    memcpy(value->at, value->text, size + 1);
    return true;
}

static bool set_number(const struct value *value)
{
    char text[SHOWN_SIZE];
    const struct config_key *key = value->key;
    uint64_t number;
    if (!text_parse_number(&number, value->text, key->low, key->high))
        return wrong(value, "must be a %s from %" PRIu64 " to %" PRIu64 "%s",
                     key->kind == CONFIG_KEY_PORT      ? "port"
                     : key->kind == CONFIG_KEY_SECONDS ? "number of seconds"
                                                       : "number",
                     key->low, key->high, shown(text, value->text));
    if (key->size == sizeof(uint16_t)) {
        const uint16_t small = (uint16_t)number;
        memcpy(value->at, &small, sizeof small);
    } else {
        const uint32_t large = (uint32_t)number;
        check(key->size == sizeof large);
        memcpy(value->at, &large, sizeof large);
    }
    return true;
}

static bool set_yes_no(const struct value *value)
{
    char text[SHOWN_SIZE];
    const bool yes = strcmp(value->text, "yes") == 0;
    if (!yes && strcmp(value->text, "no") != 0)
        return wrong(value, "must be yes or no%s", shown(text, value->text));
    memcpy(value->at, &yes, sizeof yes);
    return true;
}

static bool set_label(const struct value *value)
{
    char text[SHOWN_SIZE];
    const struct label label = label_of(value->text, strlen(value->text));
    if (label.size == 0)
        return wrong(value, "must be 1 to 63 of a-z, 0-9 and -, not - at either end%s",
                     shown(text, value->text));
    memcpy(value->at, &label, sizeof label);
    return true;
}

static bool set_level(const struct value *value)
{
    char text[SHOWN_SIZE];
    enum log_level level;
    if (!log_level_parse(&level, value->text))
        return wrong(value, "must be error, warn, info or debug%s", shown(text, value->text));
    memcpy(value->at, &level, sizeof level);
    return true;
}

static bool set_format(const struct value *value)
{
    char text[SHOWN_SIZE];
    const bool json = strcmp(value->text, "json") == 0;
    if (!json && strcmp(value->text, "text") != 0)
        return wrong(value, "must be text or json%s", shown(text, value->text));
    memcpy(value->at, &json, sizeof json);
    return true;
}

/* A socket bound to it would need an interface beside it. */
static bool is_link_local_v6(const struct addr *addr)
{
    return addr->family == ADDR_V6 && addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80;
}

static bool set_endpoint(const struct value *value)
{
    char text[SHOWN_SIZE];
    struct addr addr;
    if (!text_parse_endpoint(&addr, value->text) || !addr_is_unicast(&addr) ||
        is_link_local_v6(&addr))
        return wrong(value,
                     "must be ADDRESS:PORT, such as 192.0.2.1:51820 or [2001:db8::1]:51820%s",
                     shown(text, value->text));
    memcpy(value->at, &addr, sizeof addr);
    return true;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static bool is_there(const struct value *value, const struct addr *list, uint32_t count,
                     const struct addr *addr)
{
    char text[TEXT_ADDR_SIZE];
    for (uint32_t i = 0; i < count; i++)
        if (addr_equal(&list[i], addr))
            return !wrong(value, "has %s twice", text_addr(text, addr));
    return false;
}

/* An address of ours, to listen on or to be reached at. */
static bool add_address(const struct value *value, const char *item)
{
    char text[SHOWN_SIZE];
    struct config *config = value->to;
    const bool listen = value->key->kind == CONFIG_KEY_LISTEN;
    uint32_t *count = listen ? &config->listen_count : &config->advertise_count;
    struct addr *list = listen ? config->listen : config->advertise;
    static const uint8_t zero[16];
    struct addr addr;
    if (!text_parse_ip(&addr, item) || is_link_local_v6(&addr) ||
        !(addr_is_unicast(&addr) || (listen && memcmp(addr.ip, zero, sizeof zero) == 0)))
        return wrong(value, "must be addresses of this machine, not link-local, such as %s%s",
                     listen ? "0.0.0.0, ::" : "192.0.2.1, 2001:db8::1", shown(text, item));
    if (*count == CONFIG_ADDRESSES_MAX)
        return wrong(value, "has more than %d addresses", CONFIG_ADDRESSES_MAX);
    if (is_there(value, list, *count, &addr))
        return false;
    list[(*count)++] = addr;
    return true;
}

static bool add_prefix(const struct value *value, const char *item)
{
    char text[SHOWN_SIZE];
    struct config *config = value->to;
    struct config_address address = {0};
    if (!text_parse_prefix(&address.addr, &address.bits, item) || !addr_is_unicast(&address.addr) ||
        address.bits == 0)
        return wrong(value, "must be an address with its network's size, such as 10.64.0.1/22%s",
                     shown(text, item));
    if (config->address_count == CONFIG_ADDRESSES_MAX)
        return wrong(value, "has more than %d addresses", CONFIG_ADDRESSES_MAX);
    for (uint32_t i = 0; i < config->address_count; i++)
        if (is_there(value, &config->addresses[i].addr, 1, &address.addr))
            return false;
    config->addresses[config->address_count++] = address;
    return true;
}

static bool add_subnet(const struct value *value, const char *item)
{
    char text[SHOWN_SIZE];
    struct node_in_peer *in = &((struct config_peer *)value->to)->in;
    struct addr addr;
    uint8_t bits;
    if (!text_parse_prefix(&addr, &bits, item))
        return wrong(value, "must be prefixes, such as 10.64.0.3/32, 2001:db8::/64%s",
                     shown(text, item));
    if (bits == 0)
        return wrong(value, "must not be everything, since what goes to servers and peers outside "
                            "would then go into the tunnel; name smaller prefixes");
    if (in->subnet_count == NODE_PEER_SUBNETS)
        return wrong(value, "has more than %d prefixes", NODE_PEER_SUBNETS);
    const struct subnet subnet = subnet_of(&addr, bits);
    for (uint32_t i = 0; i < in->subnet_count; i++)
        if (memcmp(&in->subnets[i], &subnet, sizeof subnet) == 0)
            return wrong(value, "has %s twice", text_subnet(text, &subnet));
    in->subnets[in->subnet_count++] = subnet;
    return true;
}

typedef bool add_item(const struct value *value, const char *item);

static bool set_list(const struct value *value, add_item *add)
{
    char item[ITEM_SIZE];
    const char *at = value->text;
    for (;;) {
        at += strspn(at, " \t");
        const size_t all = strcspn(at, ",");
        size_t size = all;
        while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t'))
            size--;
        /* What is too long for an item is wrong, and is not to be taken for its first half. */
        const bool fits = size < sizeof item;
        memcpy(item, at, fits ? size : 0);
        item[fits ? size : 0] = 0;
        if (!add(value, item))
            return false;
        if (at[all] == 0)
            return true;
        at += all + 1;
    }
}

bool config_key_repeats(const struct config_key *key)
{
    return key->kind >= CONFIG_KEY_PREFIXES;
}

bool config_key_set(const struct config_key *key, void *to, const char *text, const char *file,
                    char what[static CONFIG_WHAT_SIZE])
{
    const struct value value = {key, to, (uint8_t *)to + key->offset, text, file, what};
    what[0] = 0;
    switch (key->kind) {
    case CONFIG_KEY_ROLE:
        return set_role(&value);
    case CONFIG_KEY_KEY:
        return set_key(&value);
    case CONFIG_KEY_FILE:
        return set_file(&value);
    case CONFIG_KEY_INTERFACE:
        return set_interface(&value);
    case CONFIG_KEY_USER:
        return set_user(&value);
    case CONFIG_KEY_NUMBER:
    case CONFIG_KEY_PORT:
    case CONFIG_KEY_SECONDS:
        return set_number(&value);
    case CONFIG_KEY_YES_NO:
        return set_yes_no(&value);
    case CONFIG_KEY_LABEL:
        return set_label(&value);
    case CONFIG_KEY_LEVEL:
        return set_level(&value);
    case CONFIG_KEY_FORMAT:
        return set_format(&value);
    case CONFIG_KEY_ENDPOINT:
        return set_endpoint(&value);
    case CONFIG_KEY_PREFIXES:
        return set_list(&value, add_prefix);
    case CONFIG_KEY_LISTEN:
    case CONFIG_KEY_ADVERTISE:
        return set_list(&value, add_address);
    case CONFIG_KEY_SUBNETS:
        return set_list(&value, add_subnet);
    }
    check(false);
    return false;
}
