/* builtin.h: the work functions that come with the library, one file each. */
#ifndef MILLRACE_WORK_BUILTIN_H
#define MILLRACE_WORK_BUILTIN_H

#include <millrace/work.h>

extern const struct mr_work_ops mr_work_forward;
extern const struct mr_work_ops mr_work_macswap;
extern const struct mr_work_ops mr_work_drop;
extern const struct mr_work_ops mr_work_l2;

#endif
