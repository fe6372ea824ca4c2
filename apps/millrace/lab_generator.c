/* lab_generator.c: the lab's source and sink: an engine of our own among the ends. It ends by itself: when its source has
 * ended and the wire is empty. */
#include "apps/millrace/lab.h"

static int config(const void *arg, struct mr_config **out, struct mr_error *err)
{
    return lab_config_generator(arg, out, err);
}

int lab_generator_start(struct lab_process *p, const struct lab_options *o, const struct lab_net *net,
                        struct mr_error *err)
{
    const struct lab_job job = {.who = "the generator",
                                .name = "mr-generator",
                                .side = LAB_ENDS,
                                .control_cpu = (int)o->source_cpu,
                                .for_ns = lab_source_ns(o),
                                .linger_ns = o->verify ? o->linger_ns : 0,
                                .settle = true,
                                .config = config,
                                .opened = o->sample ? lab_sample : NULL,
                                .arg = o};
    return lab_process_start(p, &job, net, err);
}
