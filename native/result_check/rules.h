/* What of a script's header changes and numbers may plainly reach a SIP message: sidecar/header_rules.py, which is the
 * definition, for the texts of which the answer is yes. A test holds the two together. */
#ifndef RESULT_CHECK_RULES_H
#define RESULT_CHECK_RULES_H

#include "plain.h"

/* Header changes of one list. */
#define RULES_HEADERS 100
/* Characters of a header's name and of its value, and of a number. */
#define RULES_NAME_CHARACTERS 128
#define RULES_VALUE_CHARACTERS 4096
#define RULES_NUMBER_CHARACTERS 128
/* Room for the longest text that `number_text` writes: a sign, 20 digits, a point. */
#define RULES_NUMBER_TEXT 32

/* A header that a script may add or remove: a token, and not one of the switch's own. */
bool is_header_name(struct text name);
/* A value without controls; the text is UTF-8. */
bool is_header_value(struct text value);
/* The user of a SIP address, or nothing. */
bool is_number(struct text number);

/* An integer, a truth value or a float as JavaScript writes it, in `written`. False for a float of many digits. */
bool number_text(const struct messagepack_head *head, char written[RULES_NUMBER_TEXT], struct text *text);

#endif
