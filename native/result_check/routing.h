/* A switch's routing on its bytes: whether it plainly has the shape of sipio/routing_shape.py and header changes within
 * the rules, and what is read of one. */
#ifndef RESULT_CHECK_ROUTING_H
#define RESULT_CHECK_ROUTING_H

#include "changes.h"

/* Gateways that are named of one routing: `sidecar.operations.records.GATEWAYS`. */
#define ROUTING_GATEWAYS 20

/* A caller id or a number dialled. */
struct number {
    struct messagepack_head head; /* nil where there is none, else a text or an integer */
    struct text text;
};

struct routing {
    uint32_t destinations;
    bool wide;    /* an integer is past EXACT_INTEGER */
    bool changes; /* header changes for all destinations stand in it */
    struct number cli;
    struct number dest_number;
};

/* What a record has of a routing. */
struct outline {
    uint32_t destinations;
    struct number cli;
    struct number dest_number;
    unsigned gateway_count;
    struct text gateways[ROUTING_GATEWAYS]; /* the first */
    /* Of the destination tried first, where it has a gateway: the lists of its header changes, as they stand there; of
     * no length where there are none. */
    struct text added;
    struct text removed;
    bool first_has_gateway;
};

/* False where it is not plainly right. */
bool check_given(const void *bytes, size_t length, struct routing *routing);

/* False where it is not plainly a routing; its header changes and its numbers need not be right, and of what it does not
 * tell nothing is asked. */
bool outline_routing(const void *bytes, size_t length, struct outline *outline);

#endif
