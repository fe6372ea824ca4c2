/* port.c: the table of drivers. What was built in is asked here, and nowhere else. */
#include "lib/port/port.h"

extern const struct mr_driver mr_driver_memory;

#if MR_HAVE_URING
extern const struct mr_driver mr_driver_uring;
#define URING &mr_driver_uring
#else
#define URING NULL
#endif

static const struct mr_driver_entry table[] = {
    {"memory", &mr_driver_memory, NULL},
    {"uring", URING, "not built in: needs liburing 2.3 or newer and -During=enabled"},
};

const struct mr_driver_entry *mr_driver_at(uint32_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const struct mr_driver *mr_driver_find(const char *name)
{
    for (uint32_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].driver;
        }
    }
    return NULL;
}
