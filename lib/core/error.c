#include <millrace/error.h>

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
