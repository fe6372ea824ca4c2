#include <millrace/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int mr_error_set(struct mr_error *err, enum mr_fault fault, int code, const char *format, ...)
{
    int negative = -abs(code);
    if (err != NULL) {
        va_list args;
        err->fault = fault;
        err->code = negative;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return negative;
}

const char *mr_error_remedy(int code)
{
    switch (abs(code)) {
    case ENOMEM:
        return "; free some memory, or raise its limit (ulimit -v, control group)";
    case EMFILE:
        return "; raise ulimit -n";
    case ENFILE:
        return "; all processes together have too many files open: raise sysctl fs.file-max";
    case EAGAIN:
        return "; too many processes: raise ulimit -u, or pids.max of the control group";
    default:
        return "";
    }
}
