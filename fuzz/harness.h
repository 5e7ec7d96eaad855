/*
 * The frame of every fuzz harness, with its main(). A harness includes it once and defines
 *
 *   void fuzz_one(const uint8_t *data, size_t size);  one input; it may keep no state behind
 *   void fuzz_init(void);                             once before the first one; may be left out
 *
 * Whatever the harness finds wrong it says by a failing check(). Built by AFL++'s compilers it runs
 * in persistent mode on inputs in shared memory; built by any other it replays the files that are
 * its arguments, which is how `make test` runs the corpus and how a crash is looked at.
 */
#ifndef WARREN_FUZZ_HARNESS_H
#define WARREN_FUZZ_HARNESS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size);
void fuzz_init(void) __attribute__((weak));

/*
 * Each input stands in a block of exactly its size, so that a sanitizer sees a read past its end.
 */
static void fuzz_exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    fuzz_one(copy, size);
    free(copy);
}

#ifdef __AFL_COMPILER

#include <unistd.h>

/* AFL++'s macros expand to what these refuse. */
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"

__AFL_FUZZ_INIT();

int main(void)
{
    if (fuzz_init != NULL)
        fuzz_init();
    __AFL_INIT();
    /* Not before __AFL_INIT, and not inside the loop (AFL++, README.persistent_mode.md). */
    const uint8_t *data = __AFL_FUZZ_TESTCASE_BUF;
    while (__AFL_LOOP(100000))
        fuzz_exact(data, (size_t)__AFL_FUZZ_TESTCASE_LEN);
    return 0;
}

#else

/* False when the file cannot be read. */
static int fuzz_replay(const char *path)
{
    enum { SIZE_STEP = 65536 };
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    uint8_t *bytes = NULL;
    size_t size = 0, got;
    do {
        uint8_t *more = realloc(bytes, size + SIZE_STEP);
        if (more == NULL)
            abort();
        bytes = more;
        got = fread(bytes + size, 1, SIZE_STEP, file);
        size += got;
    } while (got > 0);
    int ok = !ferror(file);
    fclose(file);
    if (ok)
        fuzz_exact(bytes, size);
    free(bytes);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
        return 2;
    }
    if (fuzz_init != NULL)
        fuzz_init();
    for (int i = 1; i < argc; i++) {
        if (!fuzz_replay(argv[i])) {
            perror(argv[i]);
            return 1;
        }
    }
    return 0;
}

#endif

#endif
