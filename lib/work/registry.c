/* registry.c: the work functions by their names: the built-in ones, then those a program made known. Control thread. */
#include "lib/work/builtin.h"

#include <errno.h>

enum { KNOWN_MAX = 64 };

static const struct mr_work_ops *known[KNOWN_MAX] = {&mr_work_forward, &mr_work_macswap, &mr_work_l2, &mr_work_drop};
static uint32_t n_known = 4;

int mr_work_register(const struct mr_work_ops *ops)
{
    if (mr_work_find(ops->name) != NULL) {
        return -EEXIST;
    }
    if (n_known == KNOWN_MAX) {
        return -ENOSPC;
    }
    known[n_known++] = ops;
    return 0;
}

const struct mr_work_ops *mr_work_find(const char *name)
{
    for (uint32_t i = 0; i < n_known; i++) {
        if (strcmp(known[i]->name, name) == 0) {
            return known[i];
        }
    }
    return NULL;
}

const struct mr_work_ops *mr_work_at(uint32_t i)
{
    return i < n_known ? known[i] : NULL;
}
