/* xdp_kick_none.c: kick: uring, where liburing was left out of the build. */
#include "lib/port/xdp.h"

#include <errno.h>

int mr_xdp_kick_open(struct mr_xdp *x, struct mr_error *err)
{
    for (uint32_t i = 0; i < x->n_txq; i++) {
        if (x->txq[i]->by_ring) {
            return mr_error_set(err, MR_FAULT_CONFIG, ENOSYS, "port %s: kick: uring: millrace was built without liburing; kick: send "
                                "needs none", x->txq[i]->q.port->config->name);
        }
    }
    return 0;
}

void mr_xdp_kick_leave(struct mr_xdp *x)
{
    (void)x;
}

void mr_xdp_kick_close(struct mr_xdp *x)
{
    (void)x;
}

void mr_xdp_kick_all(struct mr_xdp *x)
{
    (void)x;
}
