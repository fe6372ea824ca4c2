/* compare_reference.c: what forwards between left and right without us: the kernel's bridge, a redirect behind the socket
 * buffer, and one in the driver. All of it runs under the source's sends, on the source's CPU. The calling thread is in the
 * forwarder's namespace. */
#include "apps/millrace/compare.h"
#include "apps/millrace/lab_redirect.h"

#include "lib/sys/netlink.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char BRIDGE[] = "kernel";

static int bridge(struct mr_error *err)
{
    int result = mr_link_bridge(BRIDGE, err);
    result = result < 0 ? result : mr_link_up(BRIDGE, err);
    result = result < 0 ? result : mr_link_master("left", BRIDGE, err);
    return result < 0 ? result : mr_link_master("right", BRIDGE, err);
}

int compare_receive_offload(const struct compare *c, enum lab_side side, enum lab_device which, bool on, struct mr_error *err)
{
    const char *device = c->net.device[which];
    struct mr_link_offloads o = {0};
    if (c->net.borrowed) {
        return 0; // as the user has set it
    }
    int result = lab_net_enter(&c->net, side);
    result = result < 0 ? result : mr_link_offloads_get(device, &o);
    o.gro = on;
    result = result < 0 ? mr_error_set(err, MR_FAULT_RUN, result, "cannot look at the offloads of %s: %s", device,
                                       strerror(-result))
                        : mr_link_offloads_set(device, &o, err);
    int back = lab_net_enter(&c->net, LAB_FORWARDER);
    return result < 0 ? result : back;
}

static int redirect(const struct compare *c, struct compare_row *row, enum lab_hook hook, struct mr_error *err)
{
    struct mr_link left = {0}, right = {0};
    int result = mr_link_find(c->net.device[LAB_LEFT], &left);
    result = result < 0 ? result : mr_link_find(c->net.device[LAB_RIGHT], &right);
    if (result < 0) {
        return mr_error_set(err, MR_FAULT_RUN, result, "cannot find the devices: %s", strerror(-result));
    }
    result = hook == LAB_HOOK_XDP ? compare_receive_offload(c, LAB_ENDS, LAB_DST, true, err) : 0;
    row->program = result < 0 ? -1 : lab_redirect_load(hook, right.index, err);
    row->link = row->program < 0 ? -1 : lab_redirect_attach(hook, row->program, left.index, err);
    return row->link < 0 ? -EOPNOTSUPP : 0;
}

int compare_reference_start(const struct compare *c, struct compare_row *row, struct mr_error *err)
{
    row->program = row->link = -1;
    switch (row->kind) {
    case COMPARE_BRIDGE:
        return bridge(err);
    case COMPARE_TC:
        return redirect(c, row, LAB_HOOK_TC, err);
    case COMPARE_XDP:
        return redirect(c, row, LAB_HOOK_XDP, err);
    default:
        return 0;
    }
}

int compare_reference_stop(const struct compare *c, struct compare_row *row, struct mr_error *err)
{
    struct mr_link link;
    if (row->link >= 0) {
        close(row->link);
    }
    if (row->program >= 0) {
        close(row->program);
    }
    row->program = row->link = -1;
    if (row->kind == COMPARE_BRIDGE) {
        return mr_link_find(BRIDGE, &link) == 0 ? mr_link_delete(BRIDGE, err) : 0;
    }
    return row->kind == COMPARE_XDP ? compare_receive_offload(c, LAB_ENDS, LAB_DST, false, err) : 0;
}
