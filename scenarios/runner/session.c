/*
 * Running scripts: every scenario with every seed, verdicts, tables, and what helps with a failure.
 */
#include "scenarios/runner/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/crew.h"
#include "scenarios/runner/grid.h"
#include "scenarios/runner/judge_all.h"
#include "scenarios/runner/judge_pair.h"
#include "scenarios/runner/matrix.h"
#include "scenarios/runner/print.h"
#include "scenarios/runner/report.h"
#include "scenarios/runner/setup.h"
#include "scenarios/runner/table.h"

#define FAILED_DIR "build/failed"

enum { SENTENCE_SIZE = 512, LABEL_SIZE = 160, RUN_LABEL_SIZE = LABEL_SIZE + 64 };
enum { LAST_EVENTS = 20, EVENT_SIZE = 256, RERUNS_MAX = 25 };
enum { STORM_EXPLAINED = 200000 }; /* events of a storm that are captured */

/* What is drawn under the verdicts of a script. */
struct pictures {
    struct table table;
    struct matrix matrix;
    struct grid grid;
    bool meshes; /* the script compares several: the grid is drawn, and no matrix */
};

/* Why scenarios of a script were not run, and how many. */
struct skip {
    char why[RUN_ERROR_SIZE];
    uint32_t scenarios;
};

struct session {
    const struct options *options;
    const struct run_network *network;
    struct crew *crew; /* makes the runs that are made apart; NULL: they are made here */
    bool interrupted;
    uint32_t scenarios; /* in all scripts, of those that are wanted */
    uint32_t begun;     /* of them, this one with them */
    struct skip *skips; /* of the script, for the summary */
    uint32_t skip_count;
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
    uint64_t late_ns;  /* how late a run in real time was at worst */
    uint32_t unmade;   /* runs of a crew that could not be made: these fail the scenario */
    uint64_t unmade_seed;
    char unmade_why[RUN_ERROR_SIZE];
    char **notes; /* by run, from the network; NULL where it says nothing */
    bool skipped; /* the network cannot run it, for this reason: */
    char why[RUN_ERROR_SIZE];
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

static void show_progress(const struct session *session, const struct course *course, uint32_t done)
{
    /* Only what takes long enough for someone to wonder. */
    if (session->crew == NULL && session->shows_progress && time(NULL) - session->began >= 2)
        fprintf(stderr, "\r\033[K%s: scenario %" PRIu32 ", run %" PRIu32 " of %" PRIu32,
                session->stem, course->number, done + 1, course->scenario->seeds);
}

static void show_crew(void *context, const struct crew_progress *progress)
{
    const struct session *session = context;
    char elapsed[FIELD_TEXT_SIZE];
    fprintf(stderr,
            "\r\033[K%s: scenario %" PRIu32 " of %" PRIu32 ", %" PRIu32 " of %" PRIu32
            " runs done, %" PRIu32 " running, %s",
            session->stem, session->begun, session->scenarios, progress->done, progress->total,
            progress->running,
            field_render_duration(progress->elapsed_ns / 1000000000 * 1000000000, elapsed));
}

static void clear_progress(const struct session *session)
{
    if (session->shows_progress && (session->crew != NULL || time(NULL) - session->began >= 2))
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

/* Lines of text, each as a note. */
static void note_lines(struct session *session, const char *text)
{
    for (const char *at = text; *at != 0;) {
        size_t size = strcspn(at, "\n");
        report_note(&session->report, "  %.*s", (int)size, at);
        at += size + (at[size] != 0);
    }
}

/* A run in real time cannot be had again. What is left of it, and how to make another like it. */
static void explain_real(struct session *session, const struct course *course, uint64_t seed)
{
    uint64_t run = seed - session->options->seed;
    const char *notes = run < course->scenario->seeds ? course->notes[run] : NULL;
    char late[FIELD_TEXT_SIZE];
    report_note(&session->report, "  what was due was done up to %s late",
                field_render_duration(course->late_ns / 1000000 * 1000000, late));
    if (notes != NULL) {
        note_lines(session, notes);
        return;
    }
    report_note(&session->report,
                "  to look into it: warren-lab run %s --on %s --only '%s' --seed %" PRIu64
                " --pcap build/failed --keep",
                session->script, session->network->name, course->scenario->title, seed);
}

/*
 * Makes a failed run again, this time with captures and a trace of everything, though of a storm
 * only of its begin.
 */
static void explain(struct session *session, const struct course *course, uint64_t seed)
{
    char folder[RUN_PATH_SIZE], path[RUN_PATH_SIZE + 16], error[RUN_ERROR_SIZE];
    struct run run;
    if (session->network->real) {
        explain_real(session, course, seed);
        return;
    }
    if (session->reruns++ >= RERUNS_MAX) {
        report_note(&session->report, "  there are captures of the first %d failures only",
                    RERUNS_MAX);
        return;
    }
    snprintf(folder, sizeof folder, FAILED_DIR "/%s-%" PRIu32 "-%" PRIu64, session->stem,
             course->number, seed);
    snprintf(path, sizeof path, "%s/trace.txt", folder);
    FILE *trace = setup_folder(folder) ? fopen(path, "w") : NULL;
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
        if (judge_expect(scenario, i, &tally->wanted, run, happened)) {
            tally->right++;
            continue;
        }
        course->right[scenario->expects[i].client] = false;
        if (tally->happened[0] == 0) {
            tally->seed = seed;
            strcpy(tally->happened, happened);
        }
    }
}

/* What each connect of the run came to: a line of JSON, and a cell of the matrix or the grid. */
static void sum_up(struct session *session, const struct plan_scenario *scenario,
                   const struct run *run, uint64_t seed, struct pictures *pictures)
{
    for (uint32_t i = 0; i < run->pair_count; i++) {
        struct judge_sum sum;
        judge_sum_up(scenario, run, i, &sum);
        report_pair(&session->report, session->network->name, scenario, seed, &sum);
        if (pictures->meshes)
            grid_add(&pictures->grid, scenario, &sum);
        else
            matrix_add(&pictures->matrix, scenario, &sum);
    }
}

/* What is asked of the network for one run; the label is as the files of the run are called. */
static struct run_request request_of(const struct session *session,
                                     const struct plan_scenario *scenario, uint32_t number,
                                     uint64_t seed, char label[static RUN_LABEL_SIZE])
{
    const struct options *options = session->options;
    snprintf(label, RUN_LABEL_SIZE, "%s-%" PRIu32 "-%" PRIu64, session->stem, number, seed);
    return (struct run_request){.scenario = scenario,
                                .seed = seed,
                                .label = label,
                                .pcap_dir = options->pcap_dir,
                                .tape_dir = options->tape_dir,
                                .trace = session->trace,
                                .keep = options->keep,
                                .detail = options->hops ? RUN_DETAIL_HOPS : RUN_DETAIL_ENDS};
}

/* The same run, which leaves nothing but its result. */
static struct run_request without_files(const struct run_request *request)
{
    struct run_request bare = *request;
    bare.pcap_dir = bare.tape_dir = NULL;
    bare.trace = NULL;
    return bare;
}

/* The same run once more came to this; the outcome is that of both. */
static void hold_against(struct course *course, uint64_t seed, struct run_outcome *outcome,
                         struct run_outcome *again)
{
    if (outcome->made && again->made && again->run.digest != outcome->run.digest &&
        course->different++ == 0)
        course->different_seed = seed;
    if (outcome->made && !again->made) {
        run_free(&outcome->run);
        *outcome = *again;
    } else {
        run_free(&again->run);
    }
}

/* Makes the run, here or by a crew; false when the session cannot go on. */
static bool make_run(struct session *session, struct course *course, uint32_t index,
                     struct run_outcome *outcome)
{
    static struct run_outcome again;
    char label[RUN_LABEL_SIZE];
    const bool twice = session->options->twice;
    uint64_t seed = session->options->seed + index;
    struct run_request request = request_of(session, course->scenario, course->number, seed, label);
    if (session->trace != NULL)
        fprintf(session->trace, "# %s, seed %" PRIu64 "\n", course->scenario->title, seed);
    if (session->crew != NULL) {
        session->interrupted =
            !crew_take(session->crew, outcome) || (twice && !crew_take(session->crew, &again));
        if (twice && !session->interrupted)
            hold_against(course, seed, outcome, &again);
        return !session->interrupted;
    }
    outcome->made = session->network->run(&request, &outcome->run, outcome->error);
    if (outcome->made && twice) {
        const struct run_request bare = without_files(&request);
        again.made = session->network->run(&bare, &again.run, again.error);
        hold_against(course, seed, outcome, &again);
    }
    if (!outcome->made)
        fprintf(stderr, "warren-lab: %s\n", outcome->error);
    return outcome->made;
}

/* A run that could not be made is right in nothing; the others go on. */
static void miss_run(struct course *course, struct run_outcome *outcome, uint64_t seed)
{
    for (uint32_t i = 0; i < course->scenario->expect_count; i++) {
        struct tally *tally = &course->tallies[i];
        if (tally->skipped != NULL || tally->happened[0] != 0)
            continue;
        tally->seed = seed;
        snprintf(tally->happened, sizeof tally->happened, "%.*s", JUDGE_TEXT_SIZE - 1,
                 outcome->error);
    }
    if (course->unmade++ == 0) {
        course->unmade_seed = seed;
        snprintf(course->unmade_why, sizeof course->unmade_why, "%s", outcome->error);
    }
    run_free(&outcome->run);
}

/* False when the session cannot go on. */
static bool run_once(struct session *session, struct course *course, uint32_t index,
                     struct pictures *pictures)
{
    static struct run_outcome outcome;
    uint64_t seed = session->options->seed + index;
    if (!make_run(session, course, index, &outcome))
        return false;
    struct run *run = &outcome.run;
    if (run->late_ns > course->late_ns)
        course->late_ns = run->late_ns;
    course->notes[index] = run->notes;
    run->notes = NULL;
    if (!outcome.made) {
        miss_run(course, &outcome, seed);
        grid_miss(&pictures->grid, course->scenario, false);
        return true;
    }
    if (session->digests != NULL)
        fprintf(session->digests, "%s\t%" PRIu32 "\t%" PRIu64 "\t%016" PRIx64 "\n", session->script,
                course->number, seed, run->digest);
    if (run->stormed && course->storms++ == 0) {
        course->storm_seed = seed;
        course->storm_ns = run->end_ns;
    }
    judge(course, run, seed);
    table_add(&pictures->table, course->scenario, run, course->right);
    sum_up(session, course->scenario, run, seed, pictures);
    if (index == 0)
        report_quiet(&session->report, course->scenario, run);
    run_free(run);
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

/* Says that runs could not be made, or why there were none. */
static void report_unmade(struct session *session, const struct course *course, uint64_t explained)
{
    struct report_verdict verdict = {
        .script = session->script,
        .network = session->network->name,
        .scenario = course->scenario,
        .what = "it runs",
        .skipped = course->skipped ? course->why : NULL,
        .runs = course->skipped ? 0 : course->scenario->seeds,
        .right = course->skipped ? 0 : course->scenario->seeds - course->unmade,
        .seed = course->unmade_seed,
        .wanted = "",
        .happened = course->unmade_why,
    };
    report_verdict(&session->report, &verdict);
    if (!course->skipped && course->unmade_seed != explained)
        explain(session, course, course->unmade_seed);
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
            .runs = course->skipped ? 0 : scenario->seeds,
            .right = tally->right,
            .seed = tally->seed,
            .wanted = wanted,
            .happened = tally->happened,
        };
        /* What the script says to be different there cannot fail; nor must it be. That speaks of
           what runs come to, and excuses none that was not made. */
        if (!verdict.passed && verdict.skipped == NULL && course->unmade == 0)
            verdict.skipped = plan_why_different(scenario, session->network->name);
        report_verdict(&session->report, &verdict);
        if (verdict.skipped == NULL && !verdict.passed && tally->seed != explained) {
            explain(session, course, tally->seed);
            explained = tally->seed;
        }
    }
    if (course->storms > 0)
        report_storm(session, course);
    /* What is expected may be nothing, unknown, or true of some runs; each run has to be made. */
    if (course->unmade > 0 || (course->skipped && scenario->expect_count == 0))
        report_unmade(session, course, explained);
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

static void add_skip(struct session *session, const char *why)
{
    for (uint32_t i = 0; i < session->skip_count; i++) {
        if (strcmp(session->skips[i].why, why) != 0)
            continue;
        session->skips[i].scenarios++;
        return;
    }
    struct skip *grown = realloc(session->skips, (session->skip_count + 1) * sizeof *grown);
    check(grown != NULL);
    session->skips = grown;
    struct skip *skip = &grown[session->skip_count++];
    snprintf(skip->why, sizeof skip->why, "%s", why);
    skip->scenarios = 1;
}

/* A summary has no lines that would say what was not run. */
static void report_skips(struct session *session)
{
    for (uint32_t i = 0; session->options->summary && i < session->skip_count; i++)
        report_note(&session->report, "%s on %s: %" PRIu32 " skipped: %s", session->script,
                    session->network->name, session->skips[i].scenarios, session->skips[i].why);
    session->skip_count = 0;
}

static bool run_scenario(struct session *session, const struct plan_scenario *scenario,
                         uint32_t number, struct pictures *pictures)
{
    struct course course = {.scenario = scenario, .number = number};
    bool ran = true;
    course.tallies = calloc(scenario->expect_count + 1, sizeof *course.tallies);
    course.right = calloc(scenario->place_count + 1, sizeof *course.right);
    course.notes = calloc(scenario->seeds, sizeof *course.notes);
    check(course.tallies != NULL && course.right != NULL && course.notes != NULL);
    session->begun++;
    course.skipped =
        !setup_can_run(session->network, scenario, session->options->longest_ns, course.why);
    if (course.skipped) {
        add_skip(session, course.why);
        grid_miss(&pictures->grid, scenario, true);
    }
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        struct tally *tally = &course.tallies[i];
        tally->skipped = judge_ask(scenario, &scenario->expects[i], &tally->wanted);
        if (course.skipped)
            tally->skipped = course.why;
    }
    for (uint32_t i = 0; ran && !course.skipped && i < scenario->seeds; i++) {
        show_progress(session, &course, i);
        ran = run_once(session, &course, i, pictures);
    }
    clear_progress(session);
    if (ran)
        report_course(session, &course);
    for (uint32_t i = 0; i < scenario->seeds; i++)
        free(course.notes[i]);
    free(course.notes);
    free(course.tallies);
    free(course.right);
    return ran;
}

/* ---- Scripts ---- */

static void begin_script(struct session *session, const char *path)
{
    const char *slash = strrchr(path, '/');
    session->script = path;
    snprintf(session->stem, sizeof session->stem, "%.120s", slash != NULL ? slash + 1 : path);
    char *end = strrchr(session->stem, '.');
    if (end != NULL && end != session->stem)
        *end = 0;
}

/* What a script that compares meshes is about. */
static void report_grid(struct session *session, const struct plan *plan,
                        const struct pictures *pictures)
{
    char pairs[GRID_TEXT_SIZE];
    enum grid_result result = grid_compare(&pictures->grid, pairs);
    struct plan_scenario whole = {.line = plan->scenarios[0].line, .seeds = 1};
    snprintf(whole.title, sizeof whole.title, "%s", session->stem);
    struct report_verdict verdict = {
        .script = session->script,
        .network = session->network->name,
        .scenario = &whole,
        .what = "no mesh has a direct pair that Warren relays",
        .skipped = result == GRID_NOT_COMPARED ? "no pair was run with Warren and another" : NULL,
        .passed = result == GRID_AS_GOOD,
        .runs = 1,
        .right = result == GRID_AS_GOOD,
        .seed = session->options->seed,
        .wanted = "",
        .happened = pairs,
    };
    report_verdict(&session->report, &verdict);
}

/* How often each scenario is run: in real time once, unless --seeds says otherwise. */
static void limit_seeds(const struct session *session, struct plan *plan)
{
    uint64_t most = session->options->seeds;
    if (most == OPTIONS_UNSAID)
        most = session->network->real ? 1 : 0;
    for (uint32_t i = 0; i < plan->scenario_count; i++)
        if (most > 0 && most < plan->scenarios[i].seeds)
            plan->scenarios[i].seeds = (uint32_t)most;
}

/* The crew gets all runs of the script, in the order in which they are judged. */
static void add_runs(struct session *session, const char *path, const struct plan *plan)
{
    const struct options *options = session->options;
    char label[RUN_LABEL_SIZE], why[RUN_ERROR_SIZE];
    begin_script(session, path);
    for (uint32_t i = 0; i < plan->scenario_count; i++) {
        const struct plan_scenario *scenario = &plan->scenarios[i];
        if (!setup_is_wanted(options, scenario))
            continue;
        session->scenarios++;
        if (session->crew == NULL ||
            !setup_can_run(session->network, scenario, options->longest_ns, why))
            continue;
        for (uint32_t j = 0; j < scenario->seeds; j++) {
            const struct run_request request =
                request_of(session, scenario, i + 1, options->seed + j, label);
            struct crew_task task = setup_task(session->network, &request, options->longest_ns);
            crew_add(session->crew, &task);
            task.request = without_files(&task.request);
            if (options->twice)
                crew_add(session->crew, &task);
        }
    }
}

static bool run_script(struct session *session, const char *path, const struct plan *plan)
{
    struct pictures pictures = {.table = {.rows = NULL}, .meshes = grid_is_for(plan)};
    bool ran = true;
    begin_script(session, path);
    for (uint32_t i = 0; ran && i < plan->scenario_count; i++)
        if (setup_is_wanted(session->options, &plan->scenarios[i]))
            ran = run_scenario(session, &plan->scenarios[i], i + 1, &pictures);
    FILE *out = session->report.out;
    report_skips(session);
    if (ran) {
        table_print(out, &pictures.table, path, session->report.colour);
        matrix_print(out, &pictures.matrix, path, session->report.colour);
    }
    if (ran && pictures.meshes) {
        report_grid(session, plan, &pictures);
        grid_print(out, &pictures.grid, path, session->report.colour);
    }
    if (ran && (pictures.table.count > 0 || pictures.matrix.cell_count > 0 || pictures.meshes))
        fputc('\n', out);
    table_free(&pictures.table);
    matrix_free(&pictures.matrix);
    grid_free(&pictures.grid);
    return ran;
}

static bool open_files(struct session *session)
{
    const struct options *options = session->options;
    session->report.out = stdout;
    if (options->json != NULL && (session->report.json = setup_open(options->json)) == NULL)
        return false;
    if (options->trace != NULL && (session->trace = setup_open(options->trace)) == NULL)
        return false;
    if (options->digests)
        session->digests = stdout;
    /* What programs read is not mixed with what people read. */
    if (session->report.json == stdout || session->trace == stdout || session->digests == stdout)
        session->report.out = stderr;
    session->report.colour = setup_has_colour(session->report.out);
    session->report.summary = options->summary;
    session->shows_progress = isatty(STDERR_FILENO) != 0;
    session->began = time(NULL);
    return (options->pcap_dir == NULL || setup_folder(options->pcap_dir)) &&
           (options->tape_dir == NULL || setup_folder(options->tape_dir));
}

/* Options that have no meaning where time is real, or where it is not. */
static bool fits_network(const struct options *options, const struct run_network *network)
{
    if (network->real && (options->digests || options->twice)) {
        fprintf(stderr, "warren-lab: runs on %s are in real time, and have no digests to compare\n",
                network->name);
        return false;
    }
    if (!network->real && options->keep) {
        fprintf(stderr, "warren-lab: --keep: a run on %s leaves nothing that could stay\n",
                network->name);
        return false;
    }
    return true;
}

/* Runs all scripts; false when that could not be brought to its end. */
static bool run_all(struct session *session, struct plan *plans)
{
    const struct options *options = session->options;
    const struct crew_config config = {.jobs = (uint32_t)options->jobs,
                                       .tick = session->shows_progress ? show_crew : NULL,
                                       .context = session};
    char why[RUN_ERROR_SIZE];
    bool ran = true;
    if (!setup_is_there(session->network, why)) {
        for (int i = 0; i < options->file_count; i++)
            report_absent(&session->report, options->files[i], session->network->name, why);
        return true;
    }
    if (session->network->apart)
        session->crew = crew_new(&config);
    for (int i = 0; i < options->file_count; i++) {
        limit_seeds(session, &plans[i]);
        add_runs(session, options->files[i], &plans[i]);
    }
    for (int i = 0; ran && i < options->file_count; i++)
        ran = run_script(session, options->files[i], &plans[i]);
    if (session->crew != NULL && crew_again(session->crew) > 0)
        report_note(&session->report, "%" PRIu32 CREW_AGAIN_TEXT, crew_again(session->crew));
    if (session->crew != NULL)
        crew_free(session->crew);
    free(session->skips);
    return ran;
}

int session_run_plans(const struct options *options, const struct run_network *network,
                      struct plan *plans)
{
    struct session session = {.options = options, .network = network};
    if (!fits_network(options, network))
        return EXIT_USAGE;
    bool ran = open_files(&session) && run_all(&session, plans);
    if (ran)
        report_close(&session.report);
    bool kept = setup_close(session.report.json, options->json);
    kept = setup_close(session.trace, options->trace) && kept;
    kept = setup_close(session.report.out, "output") && kept;
    if (session.interrupted)
        return EXIT_INTERRUPTED;
    if (!ran || !kept)
        return EXIT_USAGE;
    return session.report.failed > 0 ? EXIT_FAILED : EXIT_OK;
}

int session_run_on(const struct options *options, const struct run_network *network)
{
    struct plan *plans = setup_load(options);
    if (plans == NULL)
        return EXIT_USAGE;
    int code = session_run_plans(options, network, plans);
    setup_free(options, plans);
    return code;
}

int session_run(const struct options *options)
{
    const struct run_network *network =
        setup_network(options->network != NULL ? options->network : "sim");
    return network != NULL ? session_run_on(options, network) : EXIT_USAGE;
}
