/* What the adapters of netns/adapter.h have in common, for themselves alone. */
#ifndef WARREN_NETNS_ADAPTER_PART_H
#define WARREN_NETNS_ADAPTER_PART_H

#include "netns/adapter.h"

enum {
    ADAPTER_PATH_SIZE = 320,
    ADAPTER_TEXT_SIZE = 8192, /* of one file of configuration */
    ADAPTER_ADDR_SIZE = 64,
};

extern const struct adapter adapter_nebula;
extern const struct adapter adapter_nebula_relay;
extern const struct adapter adapter_n2n;
extern const struct adapter adapter_tinc;
extern const struct adapter adapter_wireguard;

/* Puts a line into `error`; always false. */
bool adapter_fail(char error[static SPACE_ERROR_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A text that grows; what does not fit is noticed when it is written. */
struct adapter_text {
    char bytes[ADAPTER_TEXT_SIZE];
    uint32_t size;
    bool cut;
};
void adapter_add(struct adapter_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Makes the file, with that mode, of what is in the text. */
bool adapter_save(const struct adapter_text *text, const char *path, mode_t mode,
                  char error[static SPACE_ERROR_SIZE]);

/* FOLDER/NAME; false, with an error, when that is too long. */
bool adapter_path(char to[static ADAPTER_PATH_SIZE], const struct adapter_run *run,
                  const char *name, char error[static SPACE_ERROR_SIZE]);
/* FOLDER/warN.END, of one host. */
bool adapter_own_path(char to[static ADAPTER_PATH_SIZE], const struct adapter_run *run,
                      uint32_t host, const char *end, char error[static SPACE_ERROR_SIZE]);

/* 192.0.2.1 or 2001:db8::1; where it has a port 192.0.2.1:4242 or [2001:db8::1]:4242. */
void adapter_addr(char to[static ADAPTER_ADDR_SIZE], const struct addr *addr);
/* What others reach a host at: its IPv4 address, or else that of IPv6, or ADDR_NONE. */
struct addr adapter_outer(const struct adapter_host *host);
/* The next server from this host on; `count` where there is none. */
uint32_t adapter_server(const struct adapter_run *run, uint32_t from);

/* Starts a program in a host's namespace. */
bool adapter_launch(const struct adapter_run *run, uint32_t host, const char *const *arguments,
                    int output, pid_t *pid, char error[static SPACE_ERROR_SIZE]);
/* Runs one to its end. */
bool adapter_do(const struct adapter_run *run, uint32_t host, const char *const *arguments,
                char error[static SPACE_ERROR_SIZE]);

#endif
