/*
 * Running scripts: every scenario with every seed, verdicts, tables, and what helps with a failure.
 */
#include "scenarios/runner/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "host/word.h"
#include "scenarios/runner/judge_pair.h"
#include "scenarios/runner/load.h"
#include "scenarios/runner/matrix.h"
#include "scenarios/runner/print.h"
#include "scenarios/runner/report.h"
#include "scenarios/runner/run.h"
#include "scenarios/runner/table.h"

#define FAILED_DIR "build/failed"

enum { SENTENCE_SIZE = 512, LABEL_SIZE = 160, LAST_EVENTS = 20, EVENT_SIZE = 256, RERUNS_MAX = 25 };
enum { STORM_EXPLAINED = 200000 }; /* events of a storm that are captured */

/* What is drawn under the verdicts of a script. */
struct pictures {
    struct table table;
    struct matrix matrix;
};

struct session {
    const struct options *options;
    const struct run_network *network;
    struct report report;
    FILE *trace;
    FILE *digests;
    bool shows_progress;
    time_t began;
    uint32_t reruns;
    const char *script;    /* its path */
    char stem[LABEL_SIZE]; /* its name without folder and ".lua" */
};

/* How one expectation fares over the runs. */
struct tally {
    struct finding wanted;
    const char *skipped;
    uint32_t right;
    uint64_t seed; /* of the first run that was not right */
    char happened[JUDGE_TEXT_SIZE];
};

/* A scenario that is being run. */
struct course {
    const struct plan_scenario *scenario;
    uint32_t number; /* in the script, from 1 */
    struct tally *tallies;
    bool *right;        /* by place: what the client found is what is expected of it */
    uint32_t different; /* runs that gave another digest when they were made again */
    uint64_t different_seed;
    uint32_t storms; /* runs that did not end by themselves */
    uint64_t storm_seed;
    uint64_t storm_ns; /* how far the first of them came */
};

static const char *sentence(const struct plan_scenario *scenario, const struct plan_expect *expect,
                            char text[static SENTENCE_SIZE])
{
    memset(text, 0, SENTENCE_SIZE);
    FILE *file = fmemopen(text, SENTENCE_SIZE - 1, "w");
    check(file != NULL);
    plan_print_sentence(file, scenario, expect);
    fclose(file);
    return text;
}

/* "-" is standard output. NULL, after saying why, when the file cannot be written. */
static FILE *open_output(const char *path)
{
    if (strcmp(path, "-") == 0)
        return stdout;
    FILE *file = fopen(path, "w");
    if (file == NULL)
        fprintf(stderr, "warren-lab: %s: %s\n", path, strerror(errno));
    return file;
}

static bool make_folder(const char *path)
{
    char part[RUN_PATH_SIZE];
    if (strlen(path) >= sizeof part) {
        fprintf(stderr, "warren-lab: %.60s...: the path is too long\n", path);
        return false;
    }
    for (size_t i = 0;; i++) {
        part[i] = 0;
        if (i > 0 && (path[i] == '/' || path[i] == 0) && mkdir(part, 0777) != 0 &&
            errno != EEXIST) {
            fprintf(stderr, "warren-lab: %s: %s\n", part, strerror(errno));
            return false;
        }
        part[i] = path[i];
        if (path[i] == 0)
            return true;
    }
}

static void show_progress(const struct session *session, const struct course *course, uint32_t done)
{
    /* Only what takes long enough for someone to wonder. */
    if (session->shows_progress && time(NULL) - session->began >= 2)
        fprintf(stderr, "\r\033[K%s: scenario %" PRIu32 ", run %" PRIu32 " of %" PRIu32,
                session->stem, course->number, done + 1, course->scenario->seeds);
}

static void clear_progress(const struct session *session)
{
    if (session->shows_progress && time(NULL) - session->began >= 2)
        fputs("\r\033[K", stderr);
}

/* ---- A failure ---- */

/* The last lines of a file under the verdict. */
static void quote_end(struct session *session, const char *path)
{
    static char lines[LAST_EVENTS][EVENT_SIZE];
    uint32_t count = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    while (fgets(lines[count % LAST_EVENTS], EVENT_SIZE, file) != NULL)
        count++;
    fclose(file);
    report_note(&session->report, "  the last events of that run:");
    for (uint32_t i = count > LAST_EVENTS ? count - LAST_EVENTS : 0; i < count; i++) {
        char *line = lines[i % LAST_EVENTS];
        line[strcspn(line, "\n")] = 0;
        report_note(&session->report, "    %s", line);
    }
}

/*
 * Makes a failed run again, this time with captures and a trace of everything, though of a storm
 * only of its begin.
 */
static void explain(struct session *session, const struct course *course, uint64_t seed)
{
    char folder[RUN_PATH_SIZE], path[RUN_PATH_SIZE + 16], error[RUN_ERROR_SIZE];
    struct run run;
    if (session->reruns++ >= RERUNS_MAX) {
        report_note(&session->report, "  there are captures of the first %d failures only",
                    RERUNS_MAX);
        return;
    }
    snprintf(folder, sizeof folder, FAILED_DIR "/%s-%" PRIu32 "-%" PRIu64, session->stem,
             course->number, seed);
    snprintf(path, sizeof path, "%s/trace.txt", folder);
    FILE *trace = make_folder(folder) ? fopen(path, "w") : NULL;
    if (trace == NULL) {
        report_note(&session->report, "  %s cannot be written", path);
        return;
    }
    const struct run_request request = {.scenario = course->scenario,
                                        .seed = seed,
                                        .label = "run",
                                        .pcap_dir = folder,
                                        .trace = trace,
                                        .events_max = course->storms > 0 ? STORM_EXPLAINED : 0,
                                        .detail = RUN_DETAIL_HOPS};
    bool ran = session->network->run(&request, &run, error);
    fclose(trace);
    if (!ran) {
        report_note(&session->report, "  no captures: %s", error);
        return;
    }
    run_free(&run);
    quote_end(session, path);
    report_note(&session->report, "  captures and trace: %s/", folder);
}

/* ---- One scenario ---- */

static void judge(struct course *course, const struct run *run, uint64_t seed)
{
    const struct plan_scenario *scenario = course->scenario;
    for (uint32_t i = 0; i < scenario->place_count; i++)
        course->right[i] = true;
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        struct tally *tally = &course->tallies[i];
        char happened[JUDGE_TEXT_SIZE];
        if (tally->skipped != NULL)
            continue;
        const struct plan_expect *expect = &scenario->expects[i];
        bool counts = plan_is_count((enum plan_expect_kind)expect->kind);
        if (expect->kind == PLAN_CLASSIFIED ? judge_run(expect, &tally->wanted, run, happened)
            : counts                        ? judge_count(expect, run->counts[i], happened)
                                            : judge_pair_run(scenario, expect, run, happened)) {
            tally->right++;
            continue;
        }
        course->right[expect->client] = false;
        if (tally->happened[0] == 0) {
            tally->seed = seed;
            strcpy(tally->happened, happened);
        }
    }
}

/* What each connect of the run came to: a line of JSON, and a cell of the matrix. */
static void sum_up(struct session *session, const struct plan_scenario *scenario,
                   const struct run *run, uint64_t seed, struct matrix *matrix)
{
    for (uint32_t i = 0; i < run->pair_count; i++) {
        struct judge_sum sum;
        judge_sum_up(scenario, run, i, &sum);
        report_pair(&session->report, session->network->name, scenario, seed, &sum);
        matrix_add(matrix, scenario, &sum);
    }
}

/* False when a run could not be made at all. */
static bool run_once(struct session *session, struct course *course, uint32_t index,
                     struct pictures *pictures)
{
    char label[LABEL_SIZE + 64], error[RUN_ERROR_SIZE];
    const struct options *options = session->options;
    uint64_t seed = options->seed + index;
    struct run run, again;
    snprintf(label, sizeof label, "%s-%" PRIu32 "-%" PRIu64, session->stem, course->number, seed);
    struct run_request request = {.scenario = course->scenario,
                                  .seed = seed,
                                  .label = label,
                                  .pcap_dir = options->pcap_dir,
                                  .tape_dir = options->tape_dir,
                                  .trace = session->trace,
                                  .detail = options->hops ? RUN_DETAIL_HOPS : RUN_DETAIL_ENDS};
    if (session->trace != NULL)
        fprintf(session->trace, "# %s, seed %" PRIu64 "\n", course->scenario->title, seed);
    bool ran = session->network->run(&request, &run, error);
    if (ran && options->twice) {
        request.pcap_dir = request.tape_dir = NULL;
        request.trace = NULL;
        ran = session->network->run(&request, &again, error);
        if (ran && again.digest != run.digest && course->different++ == 0)
            course->different_seed = seed;
        if (ran)
            run_free(&again);
        else
            run_free(&run);
    }
    if (!ran) {
        fprintf(stderr, "warren-lab: %s\n", error);
        return false;
    }
    if (session->digests != NULL)
        fprintf(session->digests, "%s\t%" PRIu32 "\t%" PRIu64 "\t%016" PRIx64 "\n", session->script,
                course->number, seed, run.digest);
    if (run.stormed && course->storms++ == 0) {
        course->storm_seed = seed;
        course->storm_ns = run.end_ns;
    }
    judge(course, &run, seed);
    table_add(&pictures->table, course->scenario, &run, course->right);
    sum_up(session, course->scenario, &run, seed, &pictures->matrix);
    if (index == 0)
        report_quiet(&session->report, course->scenario, &run);
    run_free(&run);
    return true;
}

/* Whether the share of right runs is as large as expected. */
static bool is_enough(uint32_t right, uint32_t runs, uint32_t share_ppm)
{
    return (uint64_t)right * RANDOM_PPM >= (uint64_t)runs * share_ppm;
}

/* A storm fails its scenario, whatever that expects. */
static void report_storm(struct session *session, const struct course *course)
{
    char happened[JUDGE_TEXT_SIZE], time[FIELD_TEXT_SIZE];
    snprintf(happened, sizeof happened, "it had more than it may need by %s: a storm",
             field_render_duration(course->storm_ns / 1000 * 1000, time));
    struct report_verdict verdict = {
        .script = session->script,
        .network = session->network->name,
        .scenario = course->scenario,
        .what = "a run ends before it has had too many events",
        .runs = course->scenario->seeds,
        .right = course->scenario->seeds - course->storms,
        .seed = course->storm_seed,
        .wanted = "",
        .happened = happened,
    };
    report_verdict(&session->report, &verdict);
    if (course->scenario->expect_count == 0)
        explain(session, course, course->storm_seed);
}

static void report_course(struct session *session, const struct course *course)
{
    const struct plan_scenario *scenario = course->scenario;
    uint64_t explained =
        UINT64_MAX; /* one rerun serves all expectations that failed with its seed */
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        char what[SENTENCE_SIZE], wanted[FINDING_TEXT_SIZE] = "";
        const struct plan_expect *expect = &scenario->expects[i];
        const struct tally *tally = &course->tallies[i];
        if (expect->oracle && tally->skipped == NULL)
            finding_render(&tally->wanted, NULL, wanted);
        struct report_verdict verdict = {
            .script = session->script,
            .network = session->network->name,
            .scenario = scenario,
            .expect = expect,
            .what = sentence(scenario, expect, what),
            .skipped = tally->skipped,
            .passed = is_enough(tally->right, scenario->seeds, expect->share_ppm),
            .runs = scenario->seeds,
            .right = tally->right,
            .seed = tally->seed,
            .wanted = wanted,
            .happened = tally->happened,
        };
        report_verdict(&session->report, &verdict);
        if (tally->skipped == NULL && !verdict.passed && tally->seed != explained) {
            explain(session, course, tally->seed);
            explained = tally->seed;
        }
    }
    if (course->storms > 0)
        report_storm(session, course);
    if (!session->options->twice)
        return;
    struct report_verdict verdict = {
        .script = session->script,
        .network = session->network->name,
        .scenario = scenario,
        .what = "two runs with one seed have one digest",
        .passed = course->different == 0,
        .runs = scenario->seeds,
        .right = scenario->seeds - course->different,
        .seed = course->different_seed,
        .wanted = "",
        .happened = "the digests differ",
    };
    report_verdict(&session->report, &verdict);
}

/* What the oracle says of an expectation that asks for it, or why it says nothing. */
static void ask_oracle(const struct plan_scenario *scenario, const struct plan_expect *expect,
                       struct tally *tally)
{
    static const uint32_t unknown[2] = {PLAN_INTERNET, PLAN_INTERNET};
    struct judge_pair judged;
    bool says = true;
    if (expect->kind == PLAN_CLASSIFIED && expect->oracle)
        says = judge_oracle(scenario, expect->client, &tally->wanted, &tally->skipped);
    if (expect->kind == PLAN_VERDICT) {
        says = judge_pair_oracle(scenario, expect->client, expect->peer, unknown, &judged);
        tally->skipped = judged.why;
    }
    check(says || tally->skipped != NULL);
}

static bool run_scenario(struct session *session, const struct plan_scenario *scenario,
                         uint32_t number, struct pictures *pictures)
{
    struct course course = {.scenario = scenario, .number = number};
    bool ran = true;
    course.tallies = calloc(scenario->expect_count + 1, sizeof *course.tallies);
    course.right = calloc(scenario->place_count + 1, sizeof *course.right);
    check(course.tallies != NULL && course.right != NULL);
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        const struct plan_expect *expect = &scenario->expects[i];
        struct tally *tally = &course.tallies[i];
        tally->wanted = expect->wanted;
        ask_oracle(scenario, expect, tally);
    }
    for (uint32_t i = 0; ran && i < scenario->seeds; i++) {
        show_progress(session, &course, i);
        ran = run_once(session, &course, i, pictures);
    }
    clear_progress(session);
    if (ran)
        report_course(session, &course);
    free(course.tallies);
    free(course.right);
    return ran;
}

/* ---- Scripts ---- */

static bool run_script(struct session *session, const char *path, const struct plan *plan)
{
    const char *only = session->options->only;
    struct pictures pictures = {.table = {.rows = NULL}};
    const char *slash = strrchr(path, '/');
    bool ran = true;
    session->script = path;
    snprintf(session->stem, sizeof session->stem, "%.120s", slash != NULL ? slash + 1 : path);
    char *end = strrchr(session->stem, '.');
    if (end != NULL && end != session->stem)
        *end = 0;
    for (uint32_t i = 0; ran && i < plan->scenario_count; i++) {
        struct plan_scenario scenario = plan->scenarios[i];
        if (session->options->seeds > 0 && session->options->seeds < scenario.seeds)
            scenario.seeds = (uint32_t)session->options->seeds;
        if (only == NULL || strstr(scenario.title, only) != NULL)
            ran = run_scenario(session, &scenario, i + 1, &pictures);
    }
    FILE *out = session->report.out;
    if (ran) {
        table_print(out, &pictures.table, path, session->report.colour);
        matrix_print(out, &pictures.matrix, path, session->report.colour);
    }
    if (ran && (pictures.table.count > 0 || pictures.matrix.cell_count > 0))
        fputc('\n', out);
    table_free(&pictures.table);
    matrix_free(&pictures.matrix);
    return ran;
}

static const struct run_network *find_network(const char *name)
{
    struct word_search search = {.wrong = name};
    for (uint32_t i = 0; i < run_network_count; i++) {
        if (strcmp(run_networks[i].name, name) == 0)
            return &run_networks[i];
        word_consider(&search, run_networks[i].name);
    }
    fprintf(stderr, "warren-lab: unknown network \"%s\": did you mean \"%s\"?\n", name,
            search.best);
    return NULL;
}

/*
 * All scripts are loaded before the first runs, so that a misspelling in the last one costs no
 * time.
 */
static struct plan *load_all(const struct options *options)
{
    char error[LOAD_ERROR_SIZE];
    bool loaded = true;
    struct plan *plans = calloc((size_t)options->file_count, sizeof *plans);
    check(plans != NULL);
    for (int i = 0; i < options->file_count; i++) {
        if (plan_load_file(&plans[i], options->files[i], error))
            continue;
        fprintf(stderr, "%s\n", error);
        loaded = false;
    }
    for (int i = 0; !loaded && i < options->file_count; i++)
        plan_free(&plans[i]);
    if (!loaded) {
        free(plans);
        return NULL;
    }
    return plans;
}

static bool open_files(struct session *session)
{
    const struct options *options = session->options;
    session->report.out = stdout;
    if (options->json != NULL && (session->report.json = open_output(options->json)) == NULL)
        return false;
    if (options->trace != NULL && (session->trace = open_output(options->trace)) == NULL)
        return false;
    if (options->digests)
        session->digests = stdout;
    /* What programs read is not mixed with what people read. */
    if (session->report.json == stdout || session->trace == stdout || session->digests == stdout)
        session->report.out = stderr;
    const char *no_colour = getenv("NO_COLOR");
    session->report.colour =
        (no_colour == NULL || no_colour[0] == 0) && isatty(fileno(session->report.out)) != 0;
    session->report.summary = options->summary;
    session->shows_progress = isatty(STDERR_FILENO) != 0;
    session->began = time(NULL);
    return (options->pcap_dir == NULL || make_folder(options->pcap_dir)) &&
           (options->tape_dir == NULL || make_folder(options->tape_dir));
}

/* False when not everything that was written has arrived. */
static bool close_file(FILE *file, const char *path)
{
    if (file == NULL || (file == stdout ? fflush(file) : fclose(file)) == 0)
        return true;
    fprintf(stderr, "warren-lab: %s: %s\n", path, strerror(errno));
    return false;
}

int session_run(const struct options *options)
{
    struct session session = {.options = options, .network = find_network(options->network)};
    if (session.network == NULL)
        return EXIT_USAGE;
    struct plan *plans = load_all(options);
    if (plans == NULL)
        return EXIT_USAGE;
    bool ran = open_files(&session);
    for (int i = 0; ran && i < options->file_count; i++)
        ran = run_script(&session, options->files[i], &plans[i]);
    if (ran)
        report_close(&session.report);
    bool kept = close_file(session.report.json, options->json);
    kept = close_file(session.trace, options->trace) && kept;
    kept = close_file(session.report.out, "output") && kept;
    for (int i = 0; i < options->file_count; i++)
        plan_free(&plans[i]);
    free(plans);
    if (!ran || !kept)
        return EXIT_USAGE;
    return session.report.failed > 0 ? EXIT_FAILED : EXIT_OK;
}
