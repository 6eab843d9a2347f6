#include "result.h"

/* What has been read up to `copied` is written; what follows is as it came. */
struct check {
    struct walk walk;
    const uint8_t *copied;
    const struct given_numbers *given;
    struct result *result;
};

static void copy_until(struct check *check, const uint8_t *end) {
    write_bytes(&check->result->routing, check->copied, (size_t)(end - check->copied));
    check->copied = check->walk.input.at;
}

/* A caller id or a number dialled: the user of a SIP address, or what the switch itself sent. Nil is right only where the
 * switch sent nil somewhere, which is for Python to look for. */
static bool check_number(struct check *check, struct text given) {
    const uint8_t *begin = check->walk.input.at;
    struct messagepack_head head;
    if (!read_head(&check->walk, &head)) {
        return false;
    }
    if (is_integer(&head)) {
        char written[RULES_NUMBER_TEXT];
        struct text text;
        if (!number_text(&head, written, &text)) {
            return false;
        }
        copy_until(check, begin);
        write_text(&check->result->routing, text);
        return true;
    }
    struct text text;
    return take_text(&check->walk, &head, &text) && (is_number(text) || same_text(text, given));
}

static const struct text KEY = {"key", 3}, VALUE = {"value", 5};

/* The header changes of one destination, written anew: values are text. */
static bool check_changes(struct check *check, bool adding) {
    const uint8_t *begin = check->walk.input.at;
    struct walk *walk = &check->walk;
    struct output *output = &check->result->routing;
    struct messagepack_head head;
    if (!read_head(walk, &head)) {
        return false;
    }
    if (head.kind == MESSAGEPACK_NIL) {
        return true;
    }
    /* A Lua switch's empty table, which comes as a map, is an empty list. */
    if (head.kind != MESSAGEPACK_ARRAY && !(head.kind == MESSAGEPACK_MAP && head.length == 0)) {
        return false;
    }
    if (head.length > RULES_HEADERS) {
        return false;
    }
    copy_until(check, begin);
    write_array_head(output, head.length);
    for (uint32_t left = head.length; left > 0; left--) {
        struct added_header added;
        if (adding ? !read_added(walk, &added) : !read_removed(walk, &added.name)) {
            return false;
        }
        write_map_head(output, adding ? 2 : 1);
        write_text(output, KEY);
        write_text(output, added.name);
        if (adding) {
            write_text(output, VALUE);
            write_text(output, added.value);
        }
    }
    check->copied = walk->input.at;
    return true;
}

static bool check_gateway(struct check *check) {
    struct messagepack_head head;
    if (!read_head(&check->walk, &head)) {
        return false;
    }
    if (head.kind != MESSAGEPACK_MAP) {
        return skip_rest(&check->walk, &head);
    }
    bool has_cli = false;
    for (uint32_t left = head.length; left > 0; left--) {
        struct text key;
        if (!read_text(&check->walk, &key)) {
            return false;
        }
        if (!is_text(key, "cli")) {
            if (!skip_value(&check->walk)) {
                return false;
            }
            continue;
        }
        if (has_cli || !check_number(check, check->given->cli)) {
            return false;
        }
        has_cli = true;
    }
    return true;
}

static bool check_gateways(struct check *check) {
    struct messagepack_head head;
    if (!read_head(&check->walk, &head)) {
        return false;
    }
    if (head.kind == MESSAGEPACK_NIL) {
        return true;
    }
    if (head.kind != MESSAGEPACK_MAP) {
        return false;
    }
    for (uint32_t left = head.length; left > 0; left--) {
        struct text identity;
        if (!read_text(&check->walk, &identity) || !check_gateway(check)) {
            return false;
        }
    }
    return true;
}

/* Whether a key that may stand in a map once does so for the first time; NULL for one that may stand there often. */
static bool is_first(bool *seen) {
    if (seen == NULL) {
        return true;
    }
    bool first = !*seen;
    *seen = true;
    return first;
}

static bool check_destination(struct check *check) {
    struct messagepack_head head;
    if (!read_head(&check->walk, &head) || head.kind != MESSAGEPACK_MAP) {
        return false;
    }
    bool has_gateways = false, has_added = false, has_removed = false;
    for (uint32_t left = head.length; left > 0; left--) {
        struct text key;
        if (!read_text(&check->walk, &key)) {
            return false;
        }
        bool *seen = NULL;
        bool right;
        if (is_text(key, "gw")) {
            seen = &has_gateways;
            right = check_gateways(check);
        } else if (is_text(key, "headers")) {
            seen = &has_added;
            right = check_changes(check, true);
        } else if (is_text(key, "remove_headers")) {
            seen = &has_removed;
            right = check_changes(check, false);
        } else {
            right = skip_value(&check->walk);
        }
        if (!right || !is_first(seen)) {
            return false;
        }
    }
    return true;
}

static bool check_destinations(struct check *check) {
    struct messagepack_head head;
    if (!read_head(&check->walk, &head) || head.kind != MESSAGEPACK_ARRAY || head.length > RESULT_DESTINATIONS) {
        return false;
    }
    for (uint32_t left = head.length; left > 0; left--) {
        if (!check_destination(check)) {
            return false;
        }
    }
    return true;
}

static bool check_routing(struct check *check) {
    struct messagepack_head head;
    check->copied = check->walk.input.at;
    if (!read_head(&check->walk, &head) || head.kind != MESSAGEPACK_MAP) {
        return false;
    }
    bool has_cli = false, has_number = false, has_destinations = false;
    for (uint32_t left = head.length; left > 0; left--) {
        struct text key;
        if (!read_text(&check->walk, &key)) {
            return false;
        }
        bool *seen = NULL;
        bool right;
        if (is_text(key, "cli")) {
            seen = &has_cli;
            right = check_number(check, check->given->cli);
        } else if (is_text(key, "dest_number")) {
            seen = &has_number;
            right = check_number(check, check->given->dest_number);
        } else if (is_text(key, "egress_routing")) {
            seen = &has_destinations;
            right = check_destinations(check);
        } else if (is_text(key, "headers") || is_text(key, "remove_headers")) {
            return false; /* these stand beside the routing: who reads them here would read them unchecked */
        } else {
            right = skip_value(&check->walk);
        }
        if (!right || !is_first(seen)) {
            return false;
        }
    }
    copy_until(check, check->walk.input.at);
    return has_destinations;
}

/* The lists of header changes for all destinations. */
static bool check_lists(struct check *check, bool adding) {
    struct walk *walk = &check->walk;
    struct result *result = check->result;
    struct messagepack_head lists;
    if (!read_head(walk, &lists) || lists.kind != MESSAGEPACK_ARRAY || lists.length > RESULT_LISTS) {
        return false;
    }
    for (uint32_t list = 0; list < lists.length; list++) {
        struct messagepack_head head;
        if (!read_head(walk, &head) || head.kind != MESSAGEPACK_ARRAY || head.length > RULES_HEADERS) {
            return false;
        }
        for (uint32_t left = head.length; left > 0; left--) {
            if (adding ? !read_added(walk, &result->added[result->added_count++])
                       : !read_removed(walk, &result->removed[result->removed_count++])) {
                return false;
            }
        }
    }
    return true;
}

bool check_result(const void *bytes, size_t length, const struct given_numbers *given, struct result *result) {
    struct check check = {.given = given, .result = result};
    begin_walk(&check.walk, bytes, length);
    begin_output(&result->routing);
    result->added_count = result->removed_count = 0;
    struct messagepack_head head;
    if (!read_head(&check.walk, &head) || head.kind != MESSAGEPACK_MAP) {
        return false;
    }
    bool has_routing = false, has_added = false, has_removed = false;
    for (uint32_t left = head.length; left > 0; left--) {
        struct text key;
        if (!read_text(&check.walk, &key)) {
            return false;
        }
        bool *seen;
        if (is_text(key, "routing")) {
            seen = &has_routing;
        } else if (is_text(key, "headers")) {
            seen = &has_added;
        } else if (is_text(key, "remove_headers")) {
            seen = &has_removed;
        } else {
            return false;
        }
        /* Twice the same would write past what there is room for. */
        if (*seen) {
            return false;
        }
        *seen = true;
        if (seen == &has_routing ? !check_routing(&check) : !check_lists(&check, seen == &has_added)) {
            return false;
        }
    }
    return has_routing && !check.walk.wide && check.walk.values <= RESULT_VALUES &&
           check.walk.input.at == check.walk.input.end;
}
