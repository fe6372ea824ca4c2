#include "lib/engine/link.h"

#include <stdio.h>

static enum mr_link_state state_of(const struct mr_link *l)
{
    return !l->up ? MR_LINK_DOWN : l->carrier ? MR_LINK_UP : MR_LINK_NO_CARRIER;
}

static uint32_t lose(struct mr_link_view *v, bool moved)
{
    v->link = MR_LINK_GONE;
    v->index = 0;
    v->recreated = false;
    v->back = false;
    v->moved = moved;
    return MR_LINK_NEW_STATE;
}

/* The carrier's count tells of a loss that came and went between two looks. */
static uint32_t note(struct mr_link_view *v, const struct mr_link *l)
{
    enum mr_link_state link = state_of(l);
    uint32_t changed = link != v->link ? MR_LINK_NEW_STATE : 0;
    bool flapped = v->link == MR_LINK_UP && link == MR_LINK_UP && l->carrier_downs != v->carrier_downs;
    changed |= strcmp(l->name, v->name) != 0 ? MR_LINK_NEW_NAME : 0;
    changed |= l->mtu != v->mtu ? MR_LINK_NEW_MTU : 0;
    changed |= l->xdp_id != v->xdp_id ? MR_LINK_NEW_XDP : 0;
    changed |= flapped ? MR_LINK_FLAPPED : 0;
    v->link = link;
    v->mtu = l->mtu;
    v->xdp_id = l->xdp_id;
    v->carrier_downs = l->carrier_downs;
    snprintf(v->name, sizeof v->name, "%s", l->name);
    return changed;
}

uint32_t mr_link_judge(struct mr_link_view *v, const char *configured, const struct mr_link_news *news, bool answer)
{
    if (v->link == MR_LINK_GONE) {
        v->back = answer || strcmp(news->link.name, configured) == 0 ? news->there : v->back;
        return 0;
    }
    if (news->link.index != v->index && !(answer && !news->there)) {
        return 0;
    }
    return news->there ? note(v, &news->link) : lose(v, news->moved);
}

const char *mr_link_word(const struct mr_link_view *v)
{
    static const char *const words[] = {"up", "down", "no-carrier", "gone"};
    return v->recreated ? "recreated" : words[v->link];
}
