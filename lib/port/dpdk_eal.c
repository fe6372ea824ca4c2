/* dpdk_eal.c: EAL, once per process, and its devices.
 *
 * rte_eal_init takes the calling thread's affinity, prints, logs to standard error and to syslog, and starts a thread that
 * inherits the signal mask: here it gets one logical core that may use every CPU allowed, all signals blocked, and its
 * words kept, so that the last of them can be the cause in a message of ours. It shares nothing with other processes
 * (--in-memory, or --no-huge with --no-shconf), so its run-time directory is removed at once, and a killed process leaves
 * nothing behind.
 */
#include "lib/port/dpdk.h"
#include "lib/sys/meminfo.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDS_MAX 96

enum { HUGE_LEAST = 8, TEXT_BYTES = 8192 }; // 2 MiB pages that EAL wants for itself: mempool, caches, devices

static enum { NEVER, RUNS, FAILED } state;
static char failure[400]; /* of the first try: there is no second */

/* ---- what it says ---- */

static struct {
    char text[TEXT_BYTES];
    size_t used;
    FILE *file;
    bool shown; /* the user asked for its log */
} said;

static ssize_t keep(void *cookie, const char *bytes, size_t n)
{
    (void)cookie;
    size_t room = sizeof said.text - 1 - said.used;
    size_t k = n < room ? n : room;
    memcpy(said.text + said.used, bytes, k);
    said.used += k;
    said.text[said.used] = 0;
    return said.shown && write(STDERR_FILENO, bytes, n) < 0 ? 0 : (ssize_t)n;
}

void mr_dpdk_hush(void)
{
    said.used = 0;
    said.text[0] = 0;
}

/* What tells of no cause, or repeats one. */
static bool is_noise(const char *text)
{
    static const char *const noise[] = {"Detected ", "Selected IOVA", "Physical addresses", "Probe PCI", "VFIO support", "FATAL",
                                        "Multi-process socket", "Failed to register mp", "Invalid 'command", "Failed to attach",
                                        "Driver cannot attach", "No free 1048576", "Usage", "EAL ", " "};
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) {
        if (strncmp(text, noise[i], strlen(noise[i])) == 0) {
            return true;
        }
    }
    return text[0] == 0 || strstr(text, "no mounted hugetlbfs") != NULL; // --in-memory needs no mount
}

/* The first line that is a cause: what follows is what came of it. */
const char *mr_dpdk_said(void)
{
    static char line[200];
    char copy[TEXT_BYTES];
    char *rest = copy;
    char *word;
    line[0] = 0;
    memcpy(copy, said.text, sizeof copy);
    while (line[0] == 0 && (word = strsep(&rest, "\n")) != NULL) {
        const char *colon = strstr(word, "(): ");
        const char *text = colon != NULL ? colon + 4 : strncmp(word, "EAL: ", 5) == 0 ? word + 5 : word;
        if (!is_noise(text)) {
            snprintf(line, sizeof line, "%s", text);
        }
    }
    size_t length = strlen(line);
    if (length != 0 && line[length - 1] == '.') {
        line[length - 1] = 0; // a remedy follows
    }
    return line;
}

static int open_log(void)
{
    cookie_io_functions_t io = {.write = keep};
    said.file = fopencookie(NULL, "w", io);
    if (said.file == NULL) {
        return -ENOMEM;
    }
    setvbuf(said.file, NULL, _IONBF, 0);
    return rte_openlog_stream(said.file);
}

/* getopt, usage texts and the libraries below PMDs know no log: they print. */
void mr_dpdk_mute(bool mute)
{
    static FILE *out, *errors;
    if (mute) {
        fflush(stdout);
        out = stdout;
        errors = stderr;
        stdout = stderr = said.file;
    } else {
        stdout = out;
        stderr = errors;
    }
}

/* ---- its words ---- */

struct words {
    int n;
    char *at[WORDS_MAX];
};

static void add(struct words *w, const char *word)
{
    if (w->n < WORDS_MAX - 1) {
        w->at[w->n++] = strdup(word);
    }
}

static bool has(const struct words *w, const char *word)
{
    size_t length = strlen(word);
    for (int i = 0; i < w->n; i++) {
        if (strncmp(w->at[i], word, length) == 0 && (w->at[i][length] == 0 || w->at[i][length] == '=')) {
            return true;
        }
    }
    return false;
}

static void split(struct words *w, const char *text)
{
    char copy[512];
    char *rest = copy;
    char *word;
    snprintf(copy, sizeof copy, "%s", text);
    while ((word = strsep(&rest, " \t")) != NULL) {
        if (word[0] != 0) {
            add(w, word);
        }
    }
}

/* One logical core, on all CPUs that this thread may use. */
static void add_cpus(struct words *w)
{
    cpu_set_t allowed;
    char text[4096] = "0@(";
    size_t used = 3;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE && used < sizeof text - 8; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", used == 3 ? "" : ",", cpu);
        }
    }
    snprintf(text + used, sizeof text - used, ")");
    add(w, "--lcores");
    add(w, text);
}

/* 0000:03:00.0 or 03:00.0 */
static bool is_pci(const char *device)
{
    static const char *const forms[] = {"hhhh:hh:hh.h", "hh:hh.h"};
    for (int i = 0; i < 2; i++) {
        size_t k = 0;
        while (forms[i][k] != 0 && (forms[i][k] == 'h' ? isxdigit((unsigned char)device[k]) != 0 : device[k] == forms[i][k])) {
            k++;
        }
        if (forms[i][k] == 0 && (device[k] == 0 || device[k] == ',')) {
            return true;
        }
    }
    return false;
}

static void add_bus(struct words *w, const struct mr_config *cfg)
{
    bool pci = false;
    for (uint32_t i = 0; cfg != NULL && i < cfg->n_ports; i++) {
        if (strcmp(cfg->ports[i].driver, "dpdk") == 0 && is_pci(cfg->ports[i].device)) {
            add(w, "-a");
            add(w, cfg->ports[i].device);
            pci = true;
        }
    }
    if (!pci && !has(w, "-a") && !has(w, "-b") && !has(w, "--no-pci")) {
        add(w, "--no-pci");
        if (!has(w, "--iova-mode")) {
            add(w, "--iova-mode=va"); // no device of these looks at physical addresses
        }
    }
}

/* Huge pages where there are some and none forbids it; EAL takes them as it needs them, plain ones all at once. */
static void add_memory(struct words *w, const struct mr_config *cfg)
{
    bool off = cfg != NULL && cfg->huge_pages == MR_HUGE_OFF;
    bool required = cfg != NULL && cfg->huge_pages == MR_HUGE_REQUIRED;
    if (has(w, "--in-memory") || has(w, "--legacy-mem") || has(w, "--huge-dir")) {
        return;
    }
    bool few = mr_huge_pages_read(-1, MR_PAGE_2M).free < HUGE_LEAST && mr_huge_pages_read(-1, MR_PAGE_1G).free == 0;
    if (!has(w, "--no-huge") && (required || (!off && !few))) {
        add(w, "--in-memory");
        return;
    }
    if (!has(w, "--no-huge")) {
        add(w, "--no-huge");
    }
    add(w, "--no-shconf");
    if (!has(w, "-m")) {
        add(w, "-m");
        add(w, "32");
    }
}

static void make_words(struct words *w, const struct mr_config *cfg)
{
    char prefix[40];
    add(w, "millrace");
    split(w, cfg == NULL ? "" : cfg->eal);
    said.shown = has(w, "--log-level");
    if (!has(w, "--lcores") && !has(w, "-l") && !has(w, "-c")) {
        add_cpus(w);
    }
    if (!has(w, "--file-prefix")) {
        snprintf(prefix, sizeof prefix, "--file-prefix=millrace%d", (int)getpid());
        add(w, prefix);
    }
    if (!has(w, "--no-telemetry") && !has(w, "--telemetry")) {
        add(w, "--no-telemetry");
    }
    add_memory(w, cfg);
    add_bus(w, cfg);
}

/* ---- the start ---- */

/* With what it must not change put back afterwards. */
static int init_quietly(struct words *w)
{
    struct sigaction actions[NSIG];
    sigset_t all, mask;
    cpu_set_t allowed;
    char *argv[WORDS_MAX];
    memcpy(argv, w->at, sizeof argv); // it sorts them
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int i = 1; i < NSIG; i++) {
        sigaction(i, NULL, &actions[i]);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    mr_dpdk_mute(true);
    int rc = rte_eal_init(w->n, argv);
    mr_dpdk_mute(false);
    for (int i = 1; i < NSIG; i++) {
        sigaction(i, &actions[i], NULL); // two signals cannot be asked for, nor set
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sched_setaffinity(0, sizeof allowed, &allowed);
    return rc;
}

static const char *remedy(const char *cause, bool has_own)
{
    if (strstr(cause, "hugepage") != NULL || strstr(cause, "memory") != NULL) {
        return "; reserve huge pages (sysctl -w vm.nr_hugepages=64), or memory.huge_pages: off";
    }
    if (strstr(cause, "primary process") != NULL) {
        return "; another process uses this --file-prefix: choose one of your own, or leave it away";
    }
    return has_own ? "; look at engine.eal" : "";
}

int mr_dpdk_eal(const struct mr_config *cfg, struct mr_error *err)
{
    static struct words w; // EAL goes on pointing into them
    if (state == RUNS) {
        return 0;
    }
    if (state == FAILED) {
        return mr_error_set(err, MR_FAULT_MACHINE, EALREADY, "driver dpdk: EAL failed before in this process (%.300s), and "
                            "starts once per process: start again", failure);
    }
    while (w.n != 0) { // of a start that did not come to EAL
        free(w.at[--w.n]);
    }
    make_words(&w, cfg);
    if (has(&w, "-h") || has(&w, "--help")) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "engine.eal: -h prints and ends the process; for EAL's options "
                            "see dpdk-testpmd -h");
    }
    int rc = said.file == NULL ? open_log() : 0;
    rc = rc < 0 ? rc : init_quietly(&w);
    rmdir(rte_eal_get_runtime_dir()); // stays where it is in use: then it is not empty
    if (rc < 0 && rte_errno != EALREADY) { // a program that started it before us may go on with it
        const char *cause = mr_dpdk_said();
        state = FAILED;
        snprintf(failure, sizeof failure, "%s", cause[0] != 0 ? cause : rte_strerror(rte_errno));
        return mr_error_set(err, MR_FAULT_MACHINE, ENODEV, "driver dpdk: EAL does not start: %s%s", failure,
                            remedy(failure, cfg != NULL && cfg->eal[0] != 0));
    }
    for (int i = 0; i < w.n; i++) {
        free(w.at[i]);
    }
    state = RUNS;
    return 0;
}

/* ---- devices ---- */

static bool find(struct mr_dpdk_port *p)
{
    uint16_t id;
    RTE_ETH_FOREACH_DEV(id) {
        struct rte_eth_dev_info info;
        if (rte_eth_dev_info_get(id, &info) == 0 && strcmp(rte_dev_name(info.device), p->name) == 0) {
            p->id = id;
            p->pmd = info.driver_name;
            return true;
        }
    }
    return false;
}

static int no_device(const struct mr_dpdk_port *p, int rc, struct mr_error *err)
{
    const char *cause = mr_dpdk_said();
    return mr_error_set(err, MR_FAULT_MACHINE, rc, "port %s: DPDK does not open \"%s\": %s%s", p->port->config->name,
                        p->port->config->device, cause[0] != 0 ? cause : "its driver refuses the name or an argument",
                        mr_dpdk_fix(p, cause));
}

int mr_dpdk_plug(struct mr_dpdk_port *p, struct mr_error *err)
{
    const char *device = p->port->config->device;
    p->pci = is_pci(device);
    size_t length = strcspn(device, ",");
    const char *arguments = device[length] == ',' ? device + length + 1 : "";
    if (length >= sizeof p->name - 5) {
        return mr_error_set(err, MR_FAULT_CONFIG, EINVAL, "port %s: device: \"%.40s…\" is too long for the name of a DPDK device",
                            p->port->config->name, device);
    }
    snprintf(p->name, sizeof p->name, "%s%.*s", p->pci && length < 12 ? "0000:" : "", (int)length, device);
    if (find(p)) {
        p->plugged = p->pci; // EAL found it because the configuration names it
        return 0;
    }
    int rc = p->pci ? 0 : mr_dpdk_check_words(p, arguments, err);
    if (rc < 0) {
        return rc;
    }
    mr_dpdk_hush();
    mr_dpdk_packet_note();
    rc = rte_eal_hotplug_add(p->pci ? "pci" : "vdev", p->name, arguments);
    p->plugged = rc == 0;
    return rc == 0 && find(p) ? 0 : no_device(p, rc != 0 ? rc : -ENODEV, err);
}

void mr_dpdk_unplug(struct mr_dpdk_port *p)
{
    if (p->plugged) {
        rte_eal_hotplug_remove(p->pci ? "pci" : "vdev", p->name);
        p->plugged = false;
    }
}
