/* error.h: what went wrong, said once, for a person.
 *
 * Cold functions return 0 or a negative errno and fill a struct mr_error when the caller gave one. The text names the
 * thing, the cause and the fix in one line without a full stop or a newline. Only programs print it or exit.
 */
#ifndef MILLRACE_ERROR_H
#define MILLRACE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* Whose fault it is; also the exit code of the command. */
enum mr_fault {
    MR_FAULT_RUN = 1,     /* something failed while running */
    MR_FAULT_CONFIG = 2,  /* usage or configuration: the user can change it */
    MR_FAULT_MACHINE = 3, /* the machine cannot: privilege, kernel, device busy or absent */
};

struct mr_error {
    enum mr_fault fault;
    int code; /* negative errno */
    char text[760];
};

/* mr_error_set: fill err (may be NULL) from a format and return -abs(code), so that `return mr_error_set(…)` unwinds. */
int mr_error_set(struct mr_error *err, enum mr_fault fault, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* mr_error_remedy: "; …" what helps where an errno means the same whatever was tried: memory, descriptors, processes. ""
 * for all others. code may be negative. */
const char *mr_error_remedy(int code);

#ifdef __cplusplus
}
#endif

#endif
