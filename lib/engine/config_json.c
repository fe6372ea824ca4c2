/* config_json.c: the resolved configuration in its own words: JSON is YAML, so it can be loaded again. */
#include "lib/engine/config_schema.h"
#include "lib/engine/plan.h"
#include "lib/port/port.h"

#include <string.h>

/* What is not written out, as it could not be loaded again: another driver's keys, empty names, a source's keys of a port
 * that makes no frames, a sink's of one that writes none, an interface's where there is none, and big_buffers where the port
 * has no use for them. */
static bool is_left_out(const struct mr_key *key, const void *base, const char *driver)
{
    if (!mr_key_serves(key, driver)) {
        return true;
    }
    if (key->type == MR_KEY_TEXT && ((const char *)base)[key->at] == 0) {
        return true;
    }
    const struct mr_driver *used = key->of_device ? mr_driver_find(driver) : NULL;
    if (used != NULL && !used->caps.needs_device) {
        return true;
    }
    if (key->of_source && !((const struct mr_port_config *)base)->source) {
        return true;
    }
    if (key->of_sink && ((const struct mr_port_config *)base)->write[0] == 0) {
        return true;
    }
    return key->section == MR_KEY_PORT && key->at == offsetof(struct mr_port_config, big_buffers) &&
           ((const struct mr_port_config *)base)->big_buffers == 0;
}

static json_t *section_json(enum mr_key_section section, const void *base, const char *driver)
{
    json_t *object = json_object();
    const struct mr_key *key;
    for (uint32_t i = 0; (key = mr_key_at(i)) != NULL; i++) {
        if (key->section == section && !is_left_out(key, base, driver)) {
            json_object_set_new(object, key->name, mr_key_json(key, base));
        }
    }
    return object;
}

json_t *mr_config_json(const struct mr_config *cfg)
{
    json_t *ports = json_array();
    json_t *paths = json_array();
    json_t *taps = json_array();
    for (uint32_t i = 0; i < cfg->n_ports; i++) {
        json_array_append_new(ports, section_json(MR_KEY_PORT, &cfg->ports[i], cfg->ports[i].driver));
    }
    for (uint32_t i = 0; i < cfg->n_paths; i++) {
        json_array_append_new(paths, section_json(MR_KEY_PATH, &cfg->paths[i], ""));
    }
    for (uint32_t i = 0; i < cfg->n_taps; i++) {
        json_array_append_new(taps, section_json(MR_KEY_TAP, &cfg->taps[i], ""));
    }
    if (cfg->n_taps == 0) {
        json_decref(taps); // an empty list would print as no list
        taps = NULL;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o*}", "engine", section_json(MR_KEY_ENGINE, cfg, ""), "memory",
                     section_json(MR_KEY_MEMORY, cfg, ""), "batcher", section_json(MR_KEY_BATCHER, cfg, ""), "ports",
                     ports, "paths", paths, "tap", taps);
}
