/* The check of a script's result, {routing, headers: [lists], remove_headers: [lists]}, as
 * sidecar/hosts/routing_result.py has it, which decides wherever this says that a result is not plainly sound. */
#ifndef RESULT_CHECK_RESULT_H
#define RESULT_CHECK_RESULT_H

#include "changes.h"
#include "output.h"

/* Destinations that a script may leave, and values in its result. */
#define RESULT_DESTINATIONS 500
#define RESULT_VALUES 50000
/* Lists of header changes for all destinations: those of the routing and those of the list of destinations. */
#define RESULT_LISTS 2

/* What the switch itself sent, which passes whatever it is; a text of no length that has none. */
struct given_numbers {
    struct text cli;
    struct text dest_number;
};

struct result {
    struct output routing; /* as the switch is told it */
    unsigned added_count;
    unsigned removed_count;
    struct added_header added[RESULT_LISTS * RULES_HEADERS];
    struct text removed[RESULT_LISTS * RULES_HEADERS];
};

/* The texts in `result` are where they stand in the bytes. True: it is sound, unless its output is out of memory. The
 * caller ends the output in any case. */
bool check_result(const void *bytes, size_t length, const struct given_numbers *given, struct result *result);

#endif
