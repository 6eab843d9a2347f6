#include "routing.h"

static bool read_number(struct walk *walk, struct number *number) {
    if (!read_head(walk, &number->head)) {
        return false;
    }
    return number->head.kind == MESSAGEPACK_NIL || is_integer(&number->head) ||
           take_text(walk, &number->head, &number->text);
}

/* Reads the head of a map; `nil_too` takes nil for an empty one. */
static bool read_map(struct walk *walk, bool nil_too, uint32_t *pairs) {
    struct messagepack_head head;
    if (!read_head(walk, &head)) {
        return false;
    }
    *pairs = head.kind == MESSAGEPACK_MAP ? head.length : 0;
    return head.kind == MESSAGEPACK_MAP || (nil_too && head.kind == MESSAGEPACK_NIL);
}

/* Reads the head of a list; nil, and an empty map, as of Lua, are empty ones. */
static bool read_list(struct walk *walk, bool map_too, uint32_t *elements) {
    struct messagepack_head head;
    if (!read_head(walk, &head)) {
        return false;
    }
    *elements = head.kind == MESSAGEPACK_ARRAY ? head.length : 0;
    return head.kind == MESSAGEPACK_ARRAY || head.kind == MESSAGEPACK_NIL ||
           (map_too && head.kind == MESSAGEPACK_MAP && head.length == 0);
}

/* Header changes; `any` becomes true where there are some. */
static bool check_changes(struct walk *walk, bool adding, bool *any) {
    uint32_t left;
    if (!read_list(walk, true, &left) || left > RULES_HEADERS) {
        return false;
    }
    *any |= left > 0;
    for (; left > 0; left--) {
        struct added_header added;
        if (adding ? !read_added(walk, &added) : !read_removed(walk, &added.name)) {
            return false;
        }
    }
    return true;
}

static bool check_gateways(struct walk *walk) {
    uint32_t gateways, left;
    if (!read_map(walk, true, &gateways)) {
        return false;
    }
    for (; gateways > 0; gateways--) {
        struct text key;
        if (!read_text(walk, &key) || !read_map(walk, true, &left)) {
            return false;
        }
        for (; left > 0; left--) {
            struct number cli;
            if (!read_text(walk, &key) || !(is_text(key, "cli") ? read_number(walk, &cli) : skip_value(walk))) {
                return false;
            }
        }
    }
    return true;
}

static bool check_destination(struct walk *walk) {
    uint32_t left;
    if (!read_map(walk, false, &left)) {
        return false;
    }
    for (; left > 0; left--) {
        struct text key;
        if (!read_text(walk, &key)) {
            return false;
        }
        bool right, any = false;
        if (is_text(key, "gw")) {
            right = check_gateways(walk);
        } else if (is_text(key, "headers")) {
            right = check_changes(walk, true, &any);
        } else if (is_text(key, "remove_headers")) {
            right = check_changes(walk, false, &any);
        } else {
            right = skip_value(walk);
        }
        if (!right) {
            return false;
        }
    }
    return true;
}

static bool check_destinations(struct walk *walk, uint32_t *destinations) {
    if (!read_list(walk, false, destinations)) {
        return false;
    }
    for (uint32_t left = *destinations; left > 0; left--) {
        if (!check_destination(walk)) {
            return false;
        }
    }
    return true;
}

bool check_given(const void *bytes, size_t length, struct routing *routing) {
    struct walk walk;
    begin_walk(&walk, bytes, length);
    *routing = (struct routing){.cli.head.kind = MESSAGEPACK_NIL, .dest_number.head.kind = MESSAGEPACK_NIL};
    uint32_t left;
    if (!read_map(&walk, false, &left)) {
        return false;
    }
    bool has_cli = false, has_number = false, has_destinations = false, has_added = false, has_removed = false;
    for (; left > 0; left--) {
        struct text key;
        if (!read_text(&walk, &key)) {
            return false;
        }
        bool *seen = NULL;
        bool right;
        if (is_text(key, "cli")) {
            seen = &has_cli;
            right = read_number(&walk, &routing->cli);
        } else if (is_text(key, "dest_number")) {
            seen = &has_number;
            right = read_number(&walk, &routing->dest_number);
        } else if (is_text(key, "egress_routing")) {
            seen = &has_destinations;
            right = check_destinations(&walk, &routing->destinations);
        } else if (is_text(key, "headers")) {
            seen = &has_added;
            right = check_changes(&walk, true, &routing->changes);
        } else if (is_text(key, "remove_headers")) {
            seen = &has_removed;
            right = check_changes(&walk, false, &routing->changes);
        } else {
            right = skip_value(&walk);
        }
        /* Which of two is meant, readers see in different ways. */
        if (!right || (seen != NULL && *seen)) {
            return false;
        }
        if (seen != NULL) {
            *seen = true;
        }
    }
    routing->wide = walk.wide;
    return walk.input.at == walk.input.end;
}

/* Names one more gateway; false where the destination, whose first is of this number, has named it already. */
static bool name_gateway(struct outline *outline, unsigned first, struct text identity) {
    for (unsigned index = first; index < outline->gateway_count; index++) {
        if (same_text(outline->gateways[index], identity)) {
            return false;
        }
    }
    if (outline->gateway_count < ROUTING_GATEWAYS) {
        outline->gateways[outline->gateway_count++] = identity;
    }
    return true;
}

static bool outline_gateways(struct walk *walk, struct outline *outline, bool *any) {
    uint32_t left;
    if (!read_map(walk, true, &left)) {
        return false;
    }
    *any = left > 0;
    unsigned first = outline->gateway_count;
    for (; left > 0; left--) {
        struct text identity;
        if (!read_text(walk, &identity) || !pass_value(walk) || !name_gateway(outline, first, identity)) {
            return false;
        }
    }
    return true;
}

/* The bytes of the next value; of no length where it is nil or empty. */
static bool take_list(struct walk *walk, struct text *list) {
    const uint8_t *begin = walk->input.at;
    uint32_t elements;
    struct messagepack_head head;
    struct walk ahead = *walk;
    if (!read_head(&ahead, &head) || !pass_value(walk)) {
        return false;
    }
    elements = head.kind == MESSAGEPACK_ARRAY ? head.length : 0;
    list->at = (const char *)begin;
    list->length = elements > 0 ? (uint32_t)(walk->input.at - begin) : 0;
    return head.kind == MESSAGEPACK_ARRAY || head.kind == MESSAGEPACK_NIL ||
           (head.kind == MESSAGEPACK_MAP && head.length == 0);
}

static bool outline_destination(struct walk *walk, struct outline *outline, bool first) {
    uint32_t left;
    if (!read_map(walk, false, &left)) {
        return false;
    }
    bool has_gateways = false, has_added = false, has_removed = false;
    for (; left > 0; left--) {
        struct text key;
        if (!read_text(walk, &key)) {
            return false;
        }
        bool *seen = NULL;
        bool right, any = false;
        if (is_text(key, "gw")) {
            seen = &has_gateways;
            right = outline_gateways(walk, outline, &any);
            outline->first_has_gateway |= first && any;
        } else if (first && is_text(key, "headers")) {
            seen = &has_added;
            right = take_list(walk, &outline->added);
        } else if (first && is_text(key, "remove_headers")) {
            seen = &has_removed;
            right = take_list(walk, &outline->removed);
        } else {
            right = pass_value(walk);
        }
        if (!right || (seen != NULL && *seen)) {
            return false;
        }
        if (seen != NULL) {
            *seen = true;
        }
    }
    return true;
}

bool outline_routing(const void *bytes, size_t length, struct outline *outline) {
    struct walk walk;
    begin_walk(&walk, bytes, length);
    *outline = (struct outline){.cli.head.kind = MESSAGEPACK_NIL, .dest_number.head.kind = MESSAGEPACK_NIL};
    uint32_t left, destinations;
    if (length > UINT32_MAX || !read_map(&walk, false, &left)) {
        return false;
    }
    bool has_destinations = false;
    for (; left > 0; left--) {
        struct text key;
        if (!read_text(&walk, &key)) {
            return false;
        }
        bool right;
        if (is_text(key, "cli")) {
            right = read_number(&walk, &outline->cli);
        } else if (is_text(key, "dest_number")) {
            right = read_number(&walk, &outline->dest_number);
        } else if (is_text(key, "egress_routing")) {
            right = !has_destinations && read_list(&walk, false, &destinations);
            has_destinations = true;
            outline->destinations = right ? destinations : 0;
            for (uint32_t number = 0; right && number < outline->destinations; number++) {
                right = outline_destination(&walk, outline, number == 0);
            }
        } else {
            right = pass_value(&walk);
        }
        if (!right) {
            return false;
        }
    }
    return walk.input.at == walk.input.end;
}
