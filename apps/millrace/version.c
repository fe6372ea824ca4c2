/* version.c: `millrace --version`: all that tells two builds apart. */
#include "apps/millrace/verbs.h"

#include "lib/commit.h"
#include "lib/port/port.h"
#include "lib/version.h"

void print_version(void)
{
    const struct mr_driver_entry *entry;
    printf("millrace   %s\ncommit     %s\ncompiler   %s\noptions    %s\ndrivers   ", MR_VERSION, MR_COMMIT, MR_COMPILER,
           MR_OPTIONS);
    for (uint32_t i = 0; (entry = mr_driver_at(i)) != NULL; i++) {
        printf(" %s%s", entry->name, entry->driver == NULL ? " (not built in)" : "");
    }
    printf("\nlibraries  liburing %s, libnuma %s, libyaml %s, jansson %s\n", LIBURING_VERSION, LIBNUMA_VERSION,
           LIBYAML_VERSION, jansson_version_str());
}
