/* How the commands of `warren` read their command lines and say what is wrong. */
#include "daemon/warren_command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

int command_wrong(const struct warren_command *command, const char *format, ...)
{
    check(command->name != NULL && command->form != NULL);
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "warren %s: ", command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "; usage: warren %s%s%s\n", command->name, command->form[0] == 0 ? "" : " ",
            command->form);
    va_end(arguments);
    return COMMAND_WRONG;
}

int command_failed(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("warren: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return COMMAND_FAILED;
}

int command_wrong_option(const struct warren_command *command, int letter, char **argv)
{
    const char *word = argv[optind - 1];
    if (letter == ':')
        return command_wrong(command, "%s needs a value", word);
    /* Where several letters share one word, getopt has not gone on to the next word yet. */
    if (optopt != 0 && word[0] == '-' && word[1] == '-' && strchr(word, '=') != NULL)
        return command_wrong(command, "%.*s takes no value", (int)strcspn(word, "="), word);
    if (optopt != 0 && optopt < 128)
        return command_wrong(command, "there is no option -%c", optopt);
    return command_wrong(command, "there is no option %s", word);
}

/* At most eight digits, so that nothing overflows. */
static bool digits(const char *text, size_t size, uint32_t *number)
{
    if (size == 0 || size > 8 || strspn(text, "0123456789") < size)
        return false;
    *number = 0;
    for (size_t i = 0; i < size; i++)
        *number = *number * 10 + (uint32_t)(text[i] - '0');
    return true;
}

bool command_tenths(const char *text, uint32_t low, uint32_t high, uint32_t *tenths)
{
    uint32_t whole;
    uint32_t decimal = 0;
    size_t size = strcspn(text, ".");
    if (!digits(text, size, &whole))
        return false;
    if (text[size] == '.' && !(strlen(text + size) == 2 && digits(text + size + 1, 1, &decimal)))
        return false;
    *tenths = whole * 10 + decimal;
    return *tenths >= low && *tenths <= high;
}

bool command_number(const char *text, uint32_t low, uint32_t high, uint32_t *number)
{
    return digits(text, strlen(text), number) && *number >= low && *number <= high;
}
