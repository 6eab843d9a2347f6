#include "changes.h"

bool read_added(struct walk *walk, struct added_header *added) {
    struct messagepack_head head;
    if (!read_head(walk, &head) || head.kind != MESSAGEPACK_MAP || head.length != 2) {
        return false;
    }
    bool named = false, valued = false;
    for (unsigned pair = 0; pair < 2; pair++) {
        struct text key;
        if (!read_text(walk, &key) || !read_head(walk, &head)) {
            return false;
        }
        if (!named && is_text(key, "key")) {
            if (!take_text(walk, &head, &added->name)) {
                return false;
            }
            named = true;
        } else if (!valued && is_text(key, "value")) {
            if (head.kind == MESSAGEPACK_TEXT ? !take_text(walk, &head, &added->value) || !is_header_value(added->value)
                                              : !number_text(&head, added->number, &added->value)) {
                return false;
            }
            valued = true;
        } else {
            return false;
        }
    }
    return is_header_name(added->name);
}

bool read_removed(struct walk *walk, struct text *name) {
    struct messagepack_head head;
    if (!read_head(walk, &head)) {
        return false;
    }
    if (head.kind == MESSAGEPACK_MAP) {
        struct text key;
        if (head.length != 1 || !read_text(walk, &key) || !is_text(key, "key") || !read_head(walk, &head)) {
            return false;
        }
    }
    return take_text(walk, &head, name) && is_header_name(*name);
}
