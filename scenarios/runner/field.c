/*
 * Values of the plan's fields: from text, to text. Integers only, so a value that has no exact form
 * is refused.
 */
#include "scenarios/runner/field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "host/word.h"

struct unit {
    const char *name;
    uint64_t scale;
};

/* The largest first, so that rendering takes the first that divides. */
static const struct unit durations[] = {
    {"h", 3600000000000u}, {"m", 60000000000u}, {"s", 1000000000u}, {"ms", 1000000u},
    {"us", 1000u},         {"ns", 1u},          {NULL, 0},
};
static const struct unit shares[] = {{"%", 10000u}, {"ppm", 1u}, {NULL, 0}};
static const struct unit rates[] = {
    {"Gbit/s", 1000000000u}, {"Mbit/s", 1000000u}, {"kbit/s", 1000u}, {"bit/s", 1u}, {NULL, 0},
};
static const struct unit sizes[] = {
    {"MB", 1000000u}, {"kB", 1000u}, {"B", 1u}, {"", 1u}, {NULL, 0}};
static const struct unit counts[] = {{"", 1u}, {NULL, 0}};

static const struct {
    const struct unit *units;
    const char *kind;
} types[] = {
    [FIELD_DURATION] = {durations, "a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    [FIELD_SHARE] = {shares, "a share, such as \"1%\" or \"50ppm\""},
    [FIELD_RATE] = {rates, "a rate, such as \"10Mbit/s\" (bit/s, kbit/s, Mbit/s, Gbit/s)"},
    [FIELD_BYTES] = {sizes, "a number of bytes, such as 1500 or \"64kB\""},
    [FIELD_COUNT] = {counts, "a number"},
    [FIELD_BOOLEAN] = {NULL, "true or false"},
    [FIELD_WORD] = {NULL, "a word"},
};

static const struct field a_duration = {"", FIELD_DURATION, 0, 8, NULL, 0, UINT64_MAX, ""};

const struct field *field_find(const struct field *table, const char *name)
{
    for (const struct field *field = table; field->name != NULL; field++)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

uint64_t field_get(const struct field *field, const void *base)
{
    const uint8_t *at = (const uint8_t *)base + field->offset;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (field->width) {
    case 1:
        return *at;
    case 2:
        memcpy(&two, at, sizeof two);
        return two;
    case 4:
        memcpy(&four, at, sizeof four);
        return four;
    default:
        check(field->width == 8);
        memcpy(&eight, at, sizeof eight);
        return eight;
    }
}

void field_set(const struct field *field, void *base, uint64_t value)
{
    uint8_t *at = (uint8_t *)base + field->offset;
    uint16_t two = (uint16_t)value;
    uint32_t four = (uint32_t)value;
    check(field->width == 8 || value >> (8 * field->width) == 0);
    switch (field->width) {
    case 1:
        *at = (uint8_t)value;
        break;
    case 2:
        memcpy(at, &two, sizeof two);
        break;
    case 4:
        memcpy(at, &four, sizeof four);
        break;
    default:
        check(field->width == 8);
        memcpy(at, &value, sizeof value);
    }
}

/*
 * A number with an optional fraction, as `whole` * 10^-`decimals`. Moves *text past it; false when
 * there is none.
 */
static bool read_number(const char **text, uint64_t *whole, uint32_t *decimals)
{
    const char *at = *text;
    uint64_t value = 0;
    bool point = false;
    *decimals = 0;
    if (*at < '0' || *at > '9')
        return false;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
        *decimals += point;
    }
    *text = at;
    *whole = value;
    return !point || *decimals > 0;
}

/* False when the text is no number with one of the units, or has no exact value. */
static bool read_scaled(const struct unit *units, const char *text, uint64_t *value)
{
    uint32_t decimals;
    if (!read_number(&text, value, &decimals))
        return false;
    while (units->name != NULL && strcmp(units->name, text) != 0)
        units++;
    if (units->name == NULL)
        return false;
    uint64_t scale = units->scale;
    for (; decimals > 0 && scale % 10 == 0; decimals--)
        scale /= 10;
    for (; decimals > 0 && *value % 10 == 0; decimals--)
        *value /= 10;
    if (decimals > 0 || *value > UINT64_MAX / scale)
        return false;
    *value *= scale;
    return true;
}

static bool parse_word(const struct field *field, const char *text, uint64_t *value, char *error)
{
    struct word_search search = {.wrong = text};
    for (uint32_t i = 0; field->words[i] != NULL; i++) {
        if (strcmp(field->words[i], text) == 0) {
            *value = i;
            return true;
        }
        word_consider(&search, field->words[i]);
    }
    const char *meant = word_meant(&search);
    int size = snprintf(error, FIELD_ERROR_SIZE, "unknown word \"%.60s\": ", text);
    check(size > 0 && size < FIELD_ERROR_SIZE);
    if (meant != NULL)
        snprintf(error + size, FIELD_ERROR_SIZE - (size_t)size, "did you mean \"%s\"?", meant);
    else
        snprintf(error + size, FIELD_ERROR_SIZE - (size_t)size, "one of them is \"%s\"",
                 field->words[0]);
    return false;
}

bool field_parse(const struct field *field, const char *text, uint64_t *value,
                 char error[static FIELD_ERROR_SIZE])
{
    if (field->type == FIELD_WORD)
        return parse_word(field, text, value, error);
    if (field->type == FIELD_BOOLEAN) {
        bool is_true = strcmp(text, "true") == 0;
        if (is_true || strcmp(text, "false") == 0) {
            *value = is_true;
            return true;
        }
        snprintf(error, FIELD_ERROR_SIZE, "\"%.60s\" is neither true nor false", text);
        return false;
    }
    uint64_t number;
    if (!read_scaled(types[field->type].units, text, &number)) {
        snprintf(error, FIELD_ERROR_SIZE, "\"%.60s\" is not %s", text, types[field->type].kind);
        return false;
    }
    if (number < field->low || number > field->high) {
        char low[FIELD_TEXT_SIZE], high[FIELD_TEXT_SIZE];
        snprintf(error, FIELD_ERROR_SIZE, "%.60s is out of range: %s to %s", text,
                 field_render(field, field->low, low), field_render(field, field->high, high));
        return false;
    }
    *value = number;
    return true;
}

const char *field_render(const struct field *field, uint64_t value,
                         char text[static FIELD_TEXT_SIZE])
{
    const struct unit *unit = types[field->type].units;
    if (field->type == FIELD_WORD) {
        snprintf(text, FIELD_TEXT_SIZE, "%s", field->words[value]);
    } else if (field->type == FIELD_BOOLEAN) {
        snprintf(text, FIELD_TEXT_SIZE, "%s", value != 0 ? "true" : "false");
    } else if (value == 0) {
        snprintf(text, FIELD_TEXT_SIZE, "0%s",
                 field->type == FIELD_DURATION ? "s"
                 : field->type == FIELD_SHARE  ? "%"
                 : field->type == FIELD_RATE   ? "bit/s"
                                               : "");
    } else {
        if (field->type == FIELD_BYTES)
            unit = counts;
        while (value % unit->scale != 0)
            unit++;
        snprintf(text, FIELD_TEXT_SIZE, "%" PRIu64 "%s", value / unit->scale, unit->name);
    }
    return text;
}

bool field_is_quoted(const struct field *field)
{
    return field->type != FIELD_BOOLEAN && field->type != FIELD_COUNT && field->type != FIELD_BYTES;
}

const char *field_kind(const struct field *field)
{
    return types[field->type].kind;
}

bool field_parse_duration(const char *text, uint64_t *ns, char error[static FIELD_ERROR_SIZE])
{
    return field_parse(&a_duration, text, ns, error);
}

const char *field_render_duration(uint64_t ns, char text[static FIELD_TEXT_SIZE])
{
    return field_render(&a_duration, ns, text);
}
