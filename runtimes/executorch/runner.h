/* A model in ExecuTorch behind a flat C interface: for ctypes, and for applications that are not written in C++.
 *
 * Every function that can fail returns 0 for success, else the runtime's error code, and puts one line into `message` (when it is given)
 * that says what the runtime had to say. A session serves one thread at a time; several sessions may run at once. */
#ifndef EDGEEMB_EXECUTORCH_RUNNER_H
#define EDGEEMB_EXECUTORCH_RUNNER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define EDGEEMB_EXPORT __declspec(dllexport)
#else
#define EDGEEMB_EXPORT __attribute__((visibility("default")))
#endif

#define EDGEEMB_MOST_DIMENSIONS 16

/* `type` is the runtime's number of an element type: 0 uint8, 1 int8, 3 int32, 4 int64, 5 float16, 6 float32, 7 float64, 11 bool. */
typedef struct edgeemb_tensor {
    int32_t type;
    int32_t rank;
    int32_t dims[EDGEEMB_MOST_DIMENSIONS];
    void *data;
} edgeemb_tensor;

typedef struct edgeemb_session edgeemb_session;

/* Changes whenever something here does. */
EDGEEMB_EXPORT int32_t edgeemb_executorch_version(void);

/* Opens a program. Its file is mapped, not read: pages of tables come in as rows are looked up.
 *   tables   file of the tables (.ptd) where they are apart from the program, else NULL
 *   threads  1: on the caller's thread alone; 0: the process's thread pool as it is; else: that many, for the whole process
 *   profile  not 0: every run is recorded, see edgeemb_executorch_profile */
EDGEEMB_EXPORT int32_t edgeemb_executorch_open(
    const char *program, const char *tables, int32_t threads, int32_t profile, edgeemb_session **session, char *message, size_t size);

/* Shape and type of an input, with the longest size that each axis takes. Its data is NULL. */
EDGEEMB_EXPORT int32_t edgeemb_executorch_input(edgeemb_session *session, int32_t index, edgeemb_tensor *tensor);
EDGEEMB_EXPORT int32_t edgeemb_executorch_inputs(edgeemb_session *session);
EDGEEMB_EXPORT int32_t edgeemb_executorch_outputs(edgeemb_session *session);

/* Bytes that the program has planned for its activations. */
EDGEEMB_EXPORT int64_t edgeemb_executorch_planned_bytes(edgeemb_session *session);

/* Computes all outputs. The inputs are read during the call only. */
EDGEEMB_EXPORT int32_t
edgeemb_executorch_run(edgeemb_session *session, const edgeemb_tensor *inputs, int32_t count, char *message, size_t size);

/* An output of the last run; its data belongs to the session and lasts until the next run. */
EDGEEMB_EXPORT int32_t edgeemb_executorch_output(edgeemb_session *session, int32_t index, edgeemb_tensor *tensor);

/* Writes the record of all runs (an ETDump) to a file and ends it. */
EDGEEMB_EXPORT int32_t edgeemb_executorch_profile(edgeemb_session *session, const char *path);

EDGEEMB_EXPORT void edgeemb_executorch_close(edgeemb_session *session);

#ifdef __cplusplus
}
#endif

#endif
