/* last_error.h: a queue's last refusal by the kernel, for driver reports: its core writes the errno, control reads it. */
#ifndef MILLRACE_PORT_LAST_ERROR_H
#define MILLRACE_PORT_LAST_ERROR_H

#include <jansson.h>
#include <string.h>

/* mr_last_error_put: its words under key, which another queue's replace; none where there was no refusal. */
static inline void mr_last_error_put(json_t *to, const char *key, const int *last)
{
    int error = __atomic_load_n(last, __ATOMIC_RELAXED);
    if (error != 0) {
        json_object_set_new(to, key, json_string(strerror(error)));
    }
}

#endif
