/* Modes and report of the runner; see runner.h.
 *
 * KEYS       mode, report; feeds (file), output (file of mode check); threads; cores (all, big, little); limit_s (alarm)
 *            library, model, ops (see runner_options); drop (files to drop from the page cache first, with commas between)
 *            runs (0: as many as the budget allows), budget_ms, warm_ms */
#include "runner.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As on the host: see edgeemb/devices/host/latency.py and host.py. */
enum { WARM_UP_RUNS = 3, LEAST_RUNS = 100, MOST_RUNS = 2000, FEWEST_RUNS = 10, STEADY_RUNS = 5, PART_RUNS = 20 };

static runner_feed feeds[MOST_FEEDS];
static size_t feed_count;

void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("runner: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    exit(1);
}

int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The value of "key=value" among the arguments, or what stands for it where it is missing. */
static const char *value_of(char **arguments, const char *key, const char *missing)
{
    const size_t width = strlen(key);

    for (; *arguments != NULL; ++arguments) {
        if (strncmp(*arguments, key, width) == 0 && (*arguments)[width] == '=') {
            return *arguments + width + 1;
        }
    }
    return missing;
}

static long number_of(char **arguments, const char *key, long missing)
{
    const char *text = value_of(arguments, key, NULL);

    return text == NULL ? missing : strtol(text, NULL, 10);
}

static int by_value(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static int64_t time_run(const runner_feed *feed)
{
    const int64_t begin = now();

    engine_run(feed);
    return now() - begin;
}

static void write_times(FILE *out, const int64_t *times, size_t count)
{
    size_t at;

    fputs("[", out);
    for (at = 0; at < count; ++at) {
        fprintf(out, "%s%lld", at == 0 ? "" : ", ", (long long)times[at]);
    }
    fputs("]", out);
}

static void write_memory(FILE *out, const char *stage)
{
    const memory_reading reading = read_memory();

    fprintf(
        out, "\"%s\": {\"rss\": %lld, \"anonymous\": %lld, \"pss\": %lld, \"peak\": %lld}", stage, (long long)reading.rss,
        (long long)reading.anonymous, (long long)reading.pss, (long long)reading.peak);
}

static void mode_load(FILE *out, const runner_options *options, const char *drop)
{
    int64_t pages = 0, resident = 0, begin;

    engine_prepare(options);
    drop_files(drop, &pages, &resident);
    begin = now();
    engine_open(options);
    fprintf(
        out, "\"pages\": %lld, \"resident\": %lld, \"load_ns\": %lld", (long long)pages, (long long)resident, (long long)(now() - begin));
    if (feed_count > 0) {
        fprintf(out, ", \"first_ns\": %lld", (long long)time_run(&feeds[0]));
    }
}

static void mode_memory(FILE *out, const runner_options *options)
{
    size_t feed;
    int run;

    engine_prepare(options);
    fprintf(out, "\"reset\": %s, ", reset_peak() ? "true" : "false");
    write_memory(out, "baseline");
    engine_open(options);
    fputs(", ", out);
    write_memory(out, "load");
    for (feed = 0; feed < feed_count; ++feed) {
        for (run = 0; run < STEADY_RUNS; ++run) {
            engine_run(&feeds[feed]);
        }
    }
    fputs(", ", out);
    write_memory(out, "steady");
}

/* Runs until caches and clock have settled; the median of the last runs in nanoseconds. */
static int64_t warm_up(const runner_feed *feed, int64_t least)
{
    int64_t last[WARM_UP_RUNS], spent = 0;
    int run;

    do {
        for (run = 0; run < WARM_UP_RUNS; ++run) {
            last[run] = time_run(feed);
            spent += last[run];
        }
    } while (spent < least);
    qsort(last, WARM_UP_RUNS, sizeof *last, by_value);
    return last[WARM_UP_RUNS / 2] > 0 ? last[WARM_UP_RUNS / 2] : 1;
}

static size_t runs_for(int64_t one, int64_t budget)
{
    const int64_t affordable = budget / one;

    if (affordable >= LEAST_RUNS) {
        return affordable > MOST_RUNS ? MOST_RUNS : (size_t)affordable;
    }
    return 10 * affordable > LEAST_RUNS ? LEAST_RUNS : 10 * affordable < FEWEST_RUNS ? FEWEST_RUNS : (size_t)(10 * affordable);
}

static void mode_time(FILE *out, const runner_options *options, char **arguments)
{
    const int64_t million = 1000000, warm = million * number_of(arguments, "warm_ms", 100);
    const int64_t budget = million * number_of(arguments, "budget_ms", 1000);
    const long asked = number_of(arguments, "runs", 0);
    size_t feed, run;

    engine_prepare(options);
    engine_open(options);
    write_conditions(out, "before");
    fputs(", \"feeds\": [", out);
    for (feed = 0; feed < feed_count; ++feed) {
        const int64_t one = warm_up(&feeds[feed], warm);
        const size_t runs = asked > 0 ? (size_t)asked : runs_for(one, budget);
        int64_t *times = malloc(runs * sizeof *times);

        if (times == NULL) {
            fail("no memory for %u times", (unsigned)runs);
        }
        for (run = 0; run < runs; ++run) {
            times[run] = time_run(&feeds[feed]);
        }
        fprintf(out, "%s{\"length\": %u, \"times_ns\": ", feed == 0 ? "" : ", ", feeds[feed].length);
        write_times(out, times, runs);
        fputs("}", out);
        free(times);
    }
    fputs("], ", out);
    write_conditions(out, "after");
}

static void mode_parts(FILE *out, const runner_options *options)
{
    static int64_t marks[PART_RUNS][MOST_PARTS];
    int64_t column[PART_RUNS], parts[MOST_PARTS];
    size_t feed, run, part, count = 0;

    engine_prepare(options);
    engine_open(options);
    fputs("\"feeds\": [", out);
    for (feed = 0; feed < feed_count; ++feed) {
        (void)engine_marks(&feeds[feed], marks[0]);
        for (run = 0; run < PART_RUNS; ++run) {
            count = engine_marks(&feeds[feed], marks[run]);
        }
        for (part = 0; part + 1 < count; ++part) {
            for (run = 0; run < PART_RUNS; ++run) {
                column[run] = marks[run][part + 1] - marks[run][part];
            }
            qsort(column, PART_RUNS, sizeof *column, by_value);
            parts[part] = column[PART_RUNS / 2];
        }
        fprintf(out, "%s{\"length\": %u, \"parts_ns\": ", feed == 0 ? "" : ", ", feeds[feed].length);
        write_times(out, parts, count > 0 ? count - 1 : 0);
        fputs("}", out);
    }
    fputs("]", out);
}

static void mode_check(const runner_options *options, const char *path)
{
    FILE *file = fopen(path, "wb");
    size_t feed, count;
    const float *output;

    if (file == NULL) {
        fail("%s cannot be written", path);
    }
    engine_prepare(options);
    engine_open(options);
    for (feed = 0; feed < feed_count; ++feed) {
        engine_run(&feeds[feed]);
        output = engine_output(&count);
        if (fwrite(output, sizeof *output, count, file) != count) {
            fail("%s cannot be written: is the storage full?", path);
        }
    }
    if (fclose(file) != 0) {
        fail("%s cannot be written: is the storage full?", path);
    }
}

int main(int count, char **arguments)
{
    const char *mode = value_of(arguments, "mode", "look"), *path = value_of(arguments, "report", "report.json");
    const char *input = value_of(arguments, "feeds", "");
    runner_options options;
    char part[512];
    FILE *out;

    (void)count;
    alarm((unsigned)number_of(arguments, "limit_s", 600));
    options.library = value_of(arguments, "library", "");
    options.model = value_of(arguments, "model", arguments[0]);
    options.ops = value_of(arguments, "ops", "");
    options.threads = (int)number_of(arguments, "threads", 1);
    use_cores(value_of(arguments, "cores", "all"));
    feed_count = *input == 0 ? 0 : read_feeds(input, feeds);
    snprintf(part, sizeof part, "%s.part", path);
    out = fopen(part, "w");
    if (out == NULL) {
        fail("%s cannot be written", part);
    }
    fprintf(out, "{\"mode\": \"%s\", \"engine\": \"%s\", ", mode, engine_name());
    write_cores(out);
    fputs(", ", out);
    if (strcmp(mode, "load") == 0) {
        mode_load(out, &options, value_of(arguments, "drop", ""));
    } else if (strcmp(mode, "memory") == 0) {
        mode_memory(out, &options);
    } else if (strcmp(mode, "time") == 0) {
        mode_time(out, &options, arguments);
    } else if (strcmp(mode, "parts") == 0) {
        mode_parts(out, &options);
    } else if (strcmp(mode, "check") == 0) {
        mode_check(&options, value_of(arguments, "output", "output.bin"));
        fputs("\"checked\": true", out);
    } else {
        write_conditions(out, "now");
    }
    fputs(", \"version\": ", out);
    write_string(out, engine_version());
    fputs("}\n", out);
    if (fclose(out) != 0 || rename(part, path) != 0) {
        fail("%s cannot be written: is the storage full?", path);
    }
    return 0;
}
