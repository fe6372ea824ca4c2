/* lab_net.h: the lab's network: two namespaces that nobody else can name, two veth pairs between them.
 *
 *     namespace "ends"              namespace "forwarder"
 *       src ─────────── veth ─────────── left
 *       dst ─────────── veth ─────────── right
 *
 * or, for ends that talk to each other by the kernel's stack, dst in a namespace "far" of its own.
 *
 * Each namespace is held by a child that sleeps and is killed when we die, so that after kill -9 nothing is left.
 * Nothing stands under /run/netns. IPv6 is off and no address is set: only the frames that we send are on these wires.
 * Without root all of it is made inside a user namespace of our own. Control thread, before any other thread exists.
 */
#ifndef MILLRACE_LAB_NET_H
#define MILLRACE_LAB_NET_H

#include <millrace/config.h>

#include "lib/sys/netlink.h"

#include <net/if.h>
#include <sys/types.h>

enum lab_side { LAB_ENDS, LAB_FORWARDER, LAB_FAR, LAB_SIDES };
enum lab_device { LAB_SRC, LAB_LEFT, LAB_RIGHT, LAB_DST, LAB_DEVICES };

struct lab_holder {
    pid_t pid;
    int ns;      /* its network namespace */
    int control; /* a byte written here: stay when we die */
    int answer;  /* an int read from here: 0 or errno of what was asked last */
};

struct lab_net {
    struct lab_holder side[LAB_SIDES];
    uint32_t sides;                   /* that there are: without LAB_FAR one less */
    struct mr_link_offloads offloads; /* as set on all four devices */
    const char *device[LAB_DEVICES];  /* their names */
    bool borrowed;                    /* they are the user's, both sides in the namespace that we were started in */
    bool user_namespace;              /* all of it lies in a user namespace of ours */
    bool kept;
};

/* lab_net_create: holders, namespaces, devices up; the calling thread ends up in the forwarder's namespace. offload
 * says which offloads the devices have: none = no checksum and segmentation offload. Fails with MR_FAULT_MACHINE and
 * the fix where the system does not let us. */
int lab_net_create(struct lab_net *net, enum mr_offload offload, struct mr_error *err);

/* lab_net_create_apart: the same with dst in LAB_FAR, and addresses: src has 10.77.0.1/24, dst 10.77.0.2/24.
 * lab_net_offloads: set them anew on all four devices; the calling thread ends up in the forwarder's namespace. */
int lab_net_create_apart(struct lab_net *net, enum mr_offload offload, struct mr_error *err);
int lab_net_offloads(struct lab_net *net, enum mr_offload offload, struct mr_error *err);

/* lab_net_borrow: instead of that: devices of the user's, by name, which must stay valid. Refuses what is not there, not up, named
 * twice; and without consent what has an address or carries the default route. Nothing about them is changed. lab_borrow.c */
int lab_net_borrow(struct lab_net *net, const char *const device[LAB_DEVICES], bool consent, struct mr_error *err);

/* lab_veth_peer: the name of a veth's other end, where that is in this namespace, too. */
bool lab_veth_peer(const char *name, char peer[static IF_NAMESIZE]);

/* lab_net_enter: the calling thread goes into one of the namespaces. 0 or -errno. */
int lab_net_enter(const struct lab_net *net, enum lab_side side);

/* lab_net_keep: the holders stay when we end. lab_net_destroy: unless kept, ends the holders and with them the devices.
 */
int lab_net_keep(struct lab_net *net, struct mr_error *err);
void lab_net_destroy(struct lab_net *net);

/* lab_child: in a fresh child: die with the parent, leave the terminal's signals to it. */
void lab_child(pid_t parent, const char *name);

#endif
