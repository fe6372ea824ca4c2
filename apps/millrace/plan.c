/* plan.c: `millrace plan`: what a configuration would run, and why. */
#include "apps/millrace/verbs.h"

#include "lib/engine/plan.h"

static const char help[] =
    "millrace plan: show what a configuration would run, and why; opens no device, starts nothing\n"
    "\n"
    "  millrace plan -c FILE [options]\n"
    "\n"
    "  -c FILE, --config FILE  the configuration, YAML; - for standard input\n"
    "  --set KEY=VALUE         change a key, as often as you like\n"
    "  --print-config          instead of the plan, the configuration with every default, as YAML that loads again\n"
    "  --json FILE|-           the plan (or that configuration) as one JSON document\n"
    "  --quiet                 only check\n"
    "  --verbose               errors with errno and whose fault it is\n"
    "\n"
    "Exit code 0: it could run; 2: usage or configuration; 3: the machine cannot.\n";

/* What is meant by the file alone: this machine is not asked. */
static int show_config(const struct mr_config *config, const struct options *o, struct mr_error *err)
{
    json_t *document = mr_config_json(config);
    int result = present(document, o, mr_config_print, err);
    json_decref(document);
    return result;
}

static int show_plan(const struct mr_config *config, const struct options *o, struct mr_error *err)
{
    struct mr_plan *plan = NULL;
    int result = mr_plan_make(config, &plan, err);
    if (result < 0) {
        return result;
    }
    json_t *document = mr_plan_json(plan);
    result = present(document, o, mr_plan_print, err);
    json_decref(document);
    mr_plan_free(plan);
    return result;
}

int verb_plan(int argc, char **argv)
{
    struct mr_error err = {0};
    struct options o;
    struct mr_config *config = NULL;
    int result = options_parse(&o, "cjspq", argc, argv, &err);
    if (result == 0 && o.help) {
        fputs(help, stdout);
        result = finish_output(&err);
        return result < 0 ? print_error(&err, o.verbose) : 0;
    }
    result = result < 0 ? result : options_config(&o, &config, &err);
    if (result == 0) {
        result = o.print_config ? show_config(config, &o, &err) : show_plan(config, &o, &err);
    }
    mr_config_destroy(config);
    return result < 0 ? print_error(&err, o.verbose) : 0;
}
