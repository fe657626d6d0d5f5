/* Runs a program through runner.h: what an application in C would do.
 *
 *     executorch_driver PROGRAM OUTPUT ID...
 *
 * The ids are one text; a second input, if the program has one, is a mask of ones. The first output goes to the file as float32. */
#include <stdio.h>
#include <stdlib.h>

#include "runner.h"

enum { MOST_TOKENS = 1024 };

int main(int count, char **arguments)
{
    static int64_t ids[MOST_TOKENS], mask[MOST_TOKENS];
    edgeemb_tensor inputs[2] = {{4, 2, {1}, ids}, {4, 2, {1}, mask}};
    edgeemb_tensor output;
    edgeemb_session *session = NULL;
    char message[512] = "";
    size_t values = 1;
    FILE *file;
    int at;

    if (count < 4 || count - 3 > MOST_TOKENS) {
        fprintf(stderr, "usage: %s PROGRAM OUTPUT ID...\n", arguments[0]);
        return 2;
    }
    for (at = 3; at < count; ++at) {
        ids[at - 3] = strtoll(arguments[at], NULL, 10);
        mask[at - 3] = 1;
    }
    inputs[0].dims[1] = inputs[1].dims[1] = count - 3;
    if (edgeemb_executorch_open(arguments[1], NULL, 1, 0, &session, message, sizeof message) != 0 ||
        edgeemb_executorch_run(session, inputs, edgeemb_executorch_inputs(session), message, sizeof message) != 0 ||
        edgeemb_executorch_output(session, 0, &output) != 0) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    for (at = 0; at < output.rank; ++at) {
        values *= (size_t)output.dims[at];
    }
    file = fopen(arguments[2], "wb");
    if (file == NULL || fwrite(output.data, sizeof(float), values, file) != values || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", arguments[2]);
        return 1;
    }
    edgeemb_executorch_close(session);
    return 0;
}
