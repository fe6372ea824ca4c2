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
    "  --json FILE|-           the plan as one JSON document\n"
    "  --quiet                 only check\n"
    "  --verbose               errors with errno and whose fault it is\n"
    "\n"
    "Exit code 0: it could run; 2: usage or configuration; 3: the machine cannot.\n";

int verb_plan(int argc, char **argv)
{
    struct mr_error err = {0};
    struct options o;
    struct mr_config *config = NULL;
    struct mr_plan *plan = NULL;
    int result = options_parse(&o, "cjsq", argc, argv, &err);
    if (result == 0 && o.help) {
        fputs(help, stdout);
        result = finish_output(&err);
        return result < 0 ? print_error(&err, o.verbose) : 0;
    }
    result = result < 0 ? result : options_config(&o, &config, &err);
    result = result < 0 ? result : mr_plan_make(config, &plan, &err);
    if (result == 0) {
        json_t *document = mr_plan_json(plan);
        result = present(document, &o, mr_plan_print, &err);
        json_decref(document);
        mr_plan_free(plan);
    }
    mr_config_destroy(config);
    return result < 0 ? print_error(&err, o.verbose) : 0;
}
