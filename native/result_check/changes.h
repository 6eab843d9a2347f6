/* Lists of header changes: [{key, value}] and [{key}]. */
#ifndef RESULT_CHECK_CHANGES_H
#define RESULT_CHECK_CHANGES_H

#include "rules.h"

struct added_header {
    struct text name;
    struct text value;
    char number[RULES_NUMBER_TEXT]; /* where the value was none that is text */
};

/* One element of such a list. False where it is not plainly right. */
bool read_added(struct walk *walk, struct added_header *added);
bool read_removed(struct walk *walk, struct text *name);

#endif
