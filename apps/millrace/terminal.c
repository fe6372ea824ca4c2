/* terminal.c: what verbs print where. */
#include "apps/millrace/verbs.h"

#include <millrace/report.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool wants_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR"); // no-color.org: set and not empty
    return isatty(fileno(out)) && (no == NULL || no[0] == 0);
}

int print_error(const struct mr_error *err, bool verbose)
{
    static const char *const faults[] = {"unknown", "run", "config", "machine"};
    int fault = err->fault >= MR_FAULT_RUN && err->fault <= MR_FAULT_MACHINE ? (int)err->fault : (int)MR_FAULT_RUN;
    fflush(stdout);
    fprintf(stderr, "millrace: %s", err->text);
    if (verbose) {
        const char *name = strerrorname_np(abs(err->code));
        fprintf(stderr, " [%s fault, %s]", faults[fault], name == NULL ? "no errno" : name);
    }
    fputc('\n', stderr);
    return fault;
}

int finish_output(struct mr_error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return 0;
    }
    int code = errno == 0 ? EIO : errno;
    return mr_error_set(err, MR_FAULT_RUN, code, "cannot write to standard output: %s", strerror(code));
}

int present(const json_t *document, const struct options *o, void (*print)(const json_t *, FILE *, bool),
            struct mr_error *err)
{
    bool to_stdout = o->json != NULL && strcmp(o->json, "-") == 0;
    FILE *table = to_stdout || o->stdout_taken ? stderr : stdout;
    if (!o->quiet && (!to_stdout || isatty(STDERR_FILENO))) {
        print(document, table, wants_colour(table));
    }
    int result = o->json == NULL ? 0 : mr_report_write(document, o->json, err);
    return result == 0 ? finish_output(err) : result;
}
