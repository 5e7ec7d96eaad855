/* The values of the configuration: how each kind is read, and what is said of a wrong one. */
#ifndef WARREN_DAEMON_CONFIG_KEY_H
#define WARREN_DAEMON_CONFIG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_WHAT_SIZE = 256 };

enum config_key_kind {
    CONFIG_KEY_ROLE,
    CONFIG_KEY_KEY,       /* 32 bytes in base64 */
    CONFIG_KEY_FILE,      /* a path, from the configuration's folder on */
    CONFIG_KEY_INTERFACE, /* the name of a network interface */
    CONFIG_KEY_USER,      /* of a user or a group */
    CONFIG_KEY_NUMBER,    /* uint32_t */
    CONFIG_KEY_PORT,      /* uint16_t */
    CONFIG_KEY_SECONDS,   /* uint16_t */
    CONFIG_KEY_YES_NO,
    CONFIG_KEY_LABEL,
    CONFIG_KEY_LEVEL,
    CONFIG_KEY_FORMAT,
    CONFIG_KEY_ENDPOINT,
    /* Lists, with commas or over several lines. Their count stands where config_key.c knows. */
    CONFIG_KEY_PREFIXES,
    CONFIG_KEY_LISTEN,
    CONFIG_KEY_ADVERTISE,
    CONFIG_KEY_SUBNETS,
};

/* A key, and the member of the section's struct that it fills in. */
struct config_key {
    const char *name;
    enum config_key_kind kind;
    unsigned roles; /* for whom; 0: for everybody */
    size_t offset;
    size_t size;
    uint64_t low; /* of a number */
    uint64_t high;
};

/* Whether the key may be there more than once in a section. */
bool config_key_repeats(const struct config_key *key);

/*
 * Reads a value into the struct `to`. False, with `what` saying what it must be, when it is wrong.
 * `file` is the configuration's, for relative paths. What is said never repeats what might be a
 * secret.
 */
bool config_key_set(const struct config_key *key, void *to, const char *value, const char *file,
                    char what[static CONFIG_WHAT_SIZE]);

#endif
