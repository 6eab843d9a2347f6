/* Bytes of a switch's routing, or of a script's result with the two numbers that the switch sent, by the first byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result_check/result.h"
#include "result_check/routing.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static void require_inside(struct text text, const uint8_t *bytes, size_t length) {
    if (text.length == 0) {
        return;
    }
    const uint8_t *at = (const uint8_t *)text.at;
    REQUIRE(at >= bytes && at <= bytes + length && text.length <= (size_t)(bytes + length - at));
}

static void of_switch(const uint8_t *bytes, size_t length) {
    uint64_t values;
    bool whole = count_values(bytes, length, &values);
    struct routing routing;
    if (check_given(bytes, length, &routing)) {
        REQUIRE(whole && routing.destinations <= values);
    }
    struct outline outline;
    if (outline_routing(bytes, length, &outline)) {
        REQUIRE(whole && outline.gateway_count <= ROUTING_GATEWAYS);
        for (unsigned index = 0; index < outline.gateway_count; index++) {
            require_inside(outline.gateways[index], bytes, length);
        }
        require_inside(outline.added, bytes, length);
        require_inside(outline.removed, bytes, length);
    }
}

static void of_script(const uint8_t *bytes, size_t length, const struct given_numbers *given) {
    struct result *result = malloc(sizeof *result);
    REQUIRE(result != NULL);
    if (check_result(bytes, length, given, result)) {
        uint64_t values;
        REQUIRE(count_values(bytes, length, &values));
        REQUIRE(result->routing.out_of_memory || count_values(result->routing.bytes, result->routing.length, &values));
        REQUIRE(result->added_count <= RESULT_LISTS * RULES_HEADERS);
        REQUIRE(result->removed_count <= RESULT_LISTS * RULES_HEADERS);
    }
    end_output(&result->routing);
    free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length < 1) {
        return 0;
    }
    uint8_t first = bytes[0];
    bytes++;
    length--;
    if (first % 4 == 0) {
        of_switch(bytes, length);
        return 0;
    }
    /* How long the numbers are, of which each is at the end of the input; 0 has none. */
    size_t cli = first / 4 % 8, dest_number = first / 32;
    if (cli + dest_number > length) {
        return 0;
    }
    length -= cli + dest_number;
    struct given_numbers given = {
        .cli = {(const char *)bytes + length, (uint32_t)cli},
        .dest_number = {(const char *)bytes + length + cli, (uint32_t)dest_number},
    };
    of_script(bytes, length, &given);
    return 0;
}
