/* The program that measures a bundle on a phone: one process per measurement, and nothing but libc.
 *
 * CALL       ./runner mode=time report=report.json feeds=feeds.bin threads=1 ...      see runner.c for every key
 * MODES      look     tells the cores, their clocks and the temperatures
 *            load     opens the model and runs it once
 *            memory   reads the memory before the model, with it, and after some runs
 *            time     times every feed after a warm-up
 *            parts    times the parts of a run, where the engine has marks
 *            check    writes the output of every feed
 * RESULT     a JSON file, which takes its name only when it is complete; exit status 0. A failure is one line on standard error and status
 *            1. A process that hangs is ended by its own alarm, so that a phone that was unplugged is not left busy.
 *
 * An engine is what runs the model: engine_c.c (the sources of a C export, linked in), engine_onnxruntime.c or engine_litert.c (a shared
 * library that is opened at run time). */
#ifndef EDGEEMB_RUNNER_H
#define EDGEEMB_RUNNER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MOST_DIMENSIONS = 8, MOST_TENSORS = 8, MOST_FEEDS = 64, MOST_NAME = 128, MOST_PARTS = 512, MOST_CPUS = 256 };

/* Element types, as ONNX Runtime numbers them. */
enum { TYPE_FLOAT = 1, TYPE_UINT8 = 2, TYPE_INT32 = 6, TYPE_INT64 = 7 };

typedef struct runner_tensor {
    char name[MOST_NAME];
    int32_t type;
    int32_t rank;
    int64_t dims[MOST_DIMENSIONS];
    uint64_t bytes;
    void *data;
} runner_tensor;

typedef struct runner_feed {
    uint32_t length; /* tokens */
    uint32_t count;
    runner_tensor tensors[MOST_TENSORS];
} runner_feed;

typedef struct runner_options {
    const char *library; /* the runtime's shared library */
    const char *model;   /* what is opened; for an engine with its model linked in, the program itself */
    const char *ops;     /* library of custom ops, or empty */
    int threads;
} runner_options;

/* Ends the process with one line on standard error. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

int64_t now(void); /* nanoseconds of the monotonic clock */

/* feeds.c */
size_t read_feeds(const char *path, runner_feed *feeds);

/* system.c */
typedef struct memory_reading {
    int64_t rss, anonymous, pss, peak; /* bytes; -1 where the system does not tell */
} memory_reading;

void use_cores(const char *which); /* all, big or little: the cores with the highest or the lowest maximal clock */
void write_cores(FILE *out);       /* "cores": every core with its clocks; "used": those of this process */
void write_conditions(FILE *out, const char *name);
memory_reading read_memory(void);
int reset_peak(void); /* whether it could */
/* Drops files, with commas between, from the page cache; sets the pages that they have and those that stayed. */
void drop_files(const char *paths, int64_t *pages, int64_t *resident);
void write_string(FILE *out, const char *text);

/* An engine. Whatever fails ends the process. */
const char *engine_name(void);
const char *engine_version(void);
void engine_prepare(const runner_options *options); /* the runtime, without a model */
void engine_open(const runner_options *options);
void engine_run(const runner_feed *feed);
const float *engine_output(size_t *count);                    /* of the last run */
size_t engine_marks(const runner_feed *feed, int64_t *times); /* one run; the clock at each mark, MOST_PARTS at most; 0: has none */

#endif
