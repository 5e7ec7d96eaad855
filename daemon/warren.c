/* The operator's tool: finds the command that is meant, and tells what commands there are. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "daemon/version.h"
#include "daemon/warren_client.h"
#include "daemon/warren_command.h"
#include "daemon/warren_keygen.h"
#include "host/word.h"

static int version(int argc, char **argv);

static const struct warren_command warren_version = {
    .name = "version",
    .form = "[--control SOCKET]",
    .about = "the versions of this program and of the daemon",
    .help = "Exit status: 1 when no daemon answers.\n",
    .run = version,
};

/* What make keys and sign papers read their own command lines, and say their own right forms. */
static const struct warren_command warren_keygen = {
    .name = "keygen",
    .form = "FILE",
    .about = "make a node's identity",
    .help =
        "Writes a new identity and tunnel key to FILE, which only its owner can read, and prints\n"
        "their public halves.\n",
    .run = cmd_keygen,
};
static const struct warren_command warren_root = {
    .name = "root",
    .form = "FILE",
    .about = "make the root of a new mesh",
    .help = "Writes the root's secret to FILE, which only its owner can read and no daemon needs,\n"
            "and prints its public key, which names the mesh.\n",
    .run = cmd_root,
};
static const struct warren_command warren_certify = {
    .name = "certify",
    .form = "--root FILE --name NAME --identity KEY --key KEY [OPTION]...",
    .about = "let a server into the mesh",
    .help = "Signs a server's certificate with the root. --identity and --key are what\n"
            "'warren keygen' printed for the server.\n"
            "\n"
            "  --roles ROLES  some of issuer,punch,relay,stun,dns; default all\n"
            "  --days N       how long it is valid; default 3650\n"
            "  --serial N     its number; drawn unless given\n"
            "  -o FILE        default standard output\n",
    .run = cmd_certify,
};
static const struct warren_command warren_enroll = {
    .name = "enroll",
    .form = "--issuer FILE --certificate FILE --name NAME --identity KEY --key KEY\n"
            "                --address ADDRESS... [OPTION]...",
    .about = "let a client into the mesh",
    .help =
        "Signs a client's credential with a server's identity (--issuer), and puts that server's\n"
        "certificate beside it. --identity and --key are what 'warren keygen' printed for the\n"
        "client, and --address is its address in the tunnel.\n"
        "\n"
        "  --tag TAG      for the mesh's rules; may be repeated, as --address may\n"
        "  --days N       how long it is valid; default 365\n"
        "  -o FILE        default standard output\n",
    .run = cmd_enroll,
};
static const struct warren_command warren_show = {
    .name = "show",
    .form = "[--root KEY] FILE",
    .about = "what a file of these says",
    .help =
        "Prints what an identity, root, certificate, credential or card says, without secrets.\n"
        "With --root, the public key of a mesh's root, it says whether that root vouches for it.\n",
    .run = cmd_show,
};

static const struct warren_command *const commands[] = {
    &warren_status, &warren_ping,    &warren_netcheck, &warren_log,  &warren_version,
    &warren_keygen, &warren_certify, &warren_enroll,   &warren_root, &warren_show,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void)
{
    puts("Asks this machine's warrend, and makes the keys and papers of a mesh.\n");
    for (uint32_t i = 0; i < COMMANDS; i++)
        printf("  warren %-9s  %s\n", commands[i]->name, commands[i]->about);
    puts("\n'warren COMMAND --help' tells more of each. 'warren --version' tells the version.\n"
         "\n"
         "Exit status: 0 done; 1 it failed; 2 wrong command line.");
}

static void print_command_help(const struct warren_command *command)
{
    printf("  warren %s %s\n\n%s", command->name, command->form, command->help);
}

/* NULL where there is none, and that is said. */
static const struct warren_command *find_command(const char *name)
{
    struct word_search search = {.wrong = name};
    for (uint32_t i = 0; i < COMMANDS; i++) {
        check(commands[i]->run != NULL);
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
        word_consider(&search, commands[i]->name);
    }
    const char *meant = word_meant(&search);
    if (meant != NULL)
        command_failed("there is no command '%s'; did you mean 'warren %s'?", name, meant);
    else
        command_failed("there is no command '%s'; 'warren help' lists those that there are", name);
    return NULL;
}

static int version(int argc, char **argv)
{
    static const struct option options[] = {{"control", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *control = WARREN_CONTROL;
    for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (option != 's')
            return command_wrong_option(&warren_version, option, argv);
        control = optarg;
    }
    if (optind < argc)
        return command_wrong(&warren_version, "it takes no '%s'", argv[optind]);
    puts("warren " WARREN_VERSION " (Warren)");
    fflush(stdout);
    json_t *answer = client_ask_once(control, "version", NULL);
    const char *said = json_string_value(json_object_get(answer, "version"));
    if (said != NULL)
        printf("warrend %s\n", said);
    int status = said != NULL ? COMMAND_OK : COMMAND_FAILED;
    if (answer != NULL && said == NULL)
        command_failed("warrend did not say its version");
    json_decref(answer);
    return status;
}

/* `warren help`, `warren help COMMAND`. */
static int help(int argc, char **argv)
{
    if (argc == 2) {
        print_help();
        return COMMAND_OK;
    }
    const struct warren_command *command = find_command(argv[2]);
    if (command == NULL)
        return COMMAND_WRONG;
    print_command_help(command);
    return COMMAND_OK;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        command_failed("no command; 'warren help' lists those that there are");
        return COMMAND_WRONG;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help(argc, argv);
    if (strcmp(argv[1], "--version") == 0) {
        puts("warren " WARREN_VERSION " (Warren)");
        return COMMAND_OK;
    }
    const struct warren_command *command = find_command(argv[1]);
    if (command == NULL)
        return COMMAND_WRONG;
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            continue;
        print_command_help(command);
        return COMMAND_OK;
    }
    return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    int status = dispatch(argc, argv);
    /* What could not be written, to a full disk say, was not done. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == COMMAND_OK)
        status = command_failed("cannot write to standard output");
    return status;
}
