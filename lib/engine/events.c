/* events.c: what a person should know while it happens: the first frame that dies of a reason, at a stage; and what
 * link_watch.c tells of devices. */
#include "lib/engine/contract.h"
#include "lib/engine/report_parts.h"

#include <stdarg.h>
#include <stdio.h>

MR_STATIC_ASSERT(MR_DROP_ENGINE_COUNT <= 32, "a bit for each reason");

/* Dropped because it was asked for, because the end had come, or by a device whose own event says so. */
static bool expected(uint32_t reason)
{
    return reason == MR_DROP_work_drop || reason == MR_DROP_stopped || reason == MR_DROP_link_down ||
           reason == MR_DROP_no_carrier || reason == MR_DROP_device_gone;
}

static const char *port_of(const struct mr_engine *e, const struct mr_stage *s)
{
    return s->kind == MR_STAGE_WORK ? "" : e->config->ports[s->plan->port].name;
}

/* Which function, and what it did; once a stage. */
static void look_for_breach(struct mr_engine *e, uint32_t index, uint64_t now_ns)
{
    const struct mr_stage_work *s = MR_CONTAINER_OF(e->stages[index], struct mr_stage_work, stage);
    uint32_t breach = mr_load_acquire(&s->breach);
    if (breach != MR_BREACH_NONE && (e->seen[index] >> MR_DROP_work_contract & 1u) == 0) {
        e->seen[index] |= 1u << MR_DROP_work_contract;
        mr_engine_note(e, now_ns, "", s->stage.plan->name, mr_drop_word(MR_DROP_work_contract), "work function %s %s",
                       __atomic_load_n(&s->breach_by, __ATOMIC_RELAXED), mr_contract_text((enum mr_breach)breach));
    }
}

/* Cores that were moved off their CPU, or have come back. */
static void look_for_moved(struct mr_engine *e, uint64_t now_ns)
{
    for (uint32_t i = 0; i < e->plan->n_cores; i++) {
        const struct mr_core *c = e->cores[i];
        uint32_t cpu = __atomic_load_n(&c->on_cpu, __ATOMIC_RELAXED);
        if ((cpu != c->cpu) == e->off_core_told[i]) {
            continue;
        }
        e->off_core_told[i] = cpu != c->cpu;
        if (cpu == c->cpu) {
            mr_engine_note(e, now_ns, "", "", "back_on_core", "core %u runs on CPU %u again", i, cpu);
        } else {
            mr_engine_note(e, now_ns, "", "", "off_core", "core %u runs on CPU %u instead of %u: its affinity or the cpuset was "
                           "changed from outside (taskset -p, cpuset.cpus); figures are marked", i, cpu, c->cpu);
        }
    }
}

/* What does not fit the table any more is told all the same. */
int mr_engine_note(struct mr_engine *e, uint64_t now_ns, const char *port, const char *stage, const char *what,
                   const char *format, ...)
{
    struct mr_event surplus;
    struct mr_event *event = e->n_events < MR_EVENTS_MAX ? &e->events[e->n_events++] : &surplus;
    va_list args;
    va_start(args, format);
    vsnprintf(event->detail, sizeof event->detail, format, args);
    va_end(args);
    event->seconds = (double)(now_ns - e->start_ns) / 1e9;
    event->what = what;
    event->text = event->detail;
    event->frames = -1;
    snprintf(event->stage, sizeof event->stage, "%s", stage);
    snprintf(event->port, sizeof event->port, "%s", port);
    if (e->on_event != NULL) {
        e->on_event(event, e->on_event_arg);
    }
    e->events_not_kept += event == &surplus;
    return event == &surplus ? -1 : (int)(event - e->events);
}

static void finish(struct mr_engine *e, struct mr_event *event)
{
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        const struct mr_stage *s = e->stages[i];
        for (uint32_t r = 0; r < MR_DROP_ENGINE_COUNT && strcmp(s->plan->name, event->stage) == 0; r++) {
            if (event->what == mr_drop_word(r)) {
                event->frames = (int64_t)mr_counted(&s->counters.drops[r]);
            }
        }
    }
}

void mr_engine_finish_events(struct mr_engine *e)
{
    for (uint32_t i = 0; i < e->n_events; i++) {
        finish(e, &e->events[i]);
    }
}

void mr_engine_look_for_events(struct mr_engine *e, uint64_t now_ns)
{
    look_for_moved(e, now_ns);
    for (uint32_t i = 0; i < e->plan->n_stages; i++) {
        struct mr_stage *s = e->stages[i];
        if (s->kind == MR_STAGE_WORK) {
            look_for_breach(e, i, now_ns);
        }
        for (uint32_t r = 0; r < MR_DROP_ENGINE_COUNT; r++) {
            if ((e->seen[i] >> r & 1u) == 0 && mr_counted(&s->counters.drops[r]) != 0 && !expected(r)) {
                e->seen[i] |= 1u << r;
                mr_engine_note(e, now_ns, port_of(e, s), s->plan->name, mr_drop_word(r), "%s", mr_drop_text(r));
            }
        }
    }
}

static json_t *text_or_null(const char *text)
{
    return text[0] == 0 ? json_null() : json_string(text);
}

json_t *mr_report_events(const struct mr_engine *e)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < e->n_events; i++) {
        const struct mr_event *event = &e->events[i];
        json_t *frames = event->frames < 0 ? json_null() : json_integer(event->frames);
        json_array_append_new(list, json_pack("{s:f, s:o, s:o, s:s, s:s, s:o}", "seconds", event->seconds, "port",
                                              text_or_null(event->port), "stage", text_or_null(event->stage), "what",
                                              event->what, "text", event->text, "frames", frames));
    }
    return list;
}
