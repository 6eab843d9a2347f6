#include "rules.h"

/* Places after the point that are tried: a rate has four. */
#define FLOAT_PLACES 9

/* RFC 3261 25.1: what a token is made of, and a user, which is without ';' and '?' here, and with '#', which is dialled. */
enum { TOKEN = 1, USER = 2 };
static const uint8_t MADE_OF[256] = {
    ['A' ... 'Z'] = TOKEN | USER,
    ['a' ... 'z'] = TOKEN | USER,
    ['0' ... '9'] = TOKEN | USER,
    ['-'] = TOKEN | USER,
    ['.'] = TOKEN | USER,
    ['!'] = TOKEN | USER,
    ['%'] = TOKEN | USER,
    ['*'] = TOKEN | USER,
    ['_'] = TOKEN | USER,
    ['+'] = TOKEN | USER,
    ['~'] = TOKEN | USER,
    ['\''] = TOKEN | USER,
    ['`'] = TOKEN,
    ['('] = USER,
    [')'] = USER,
    ['&'] = USER,
    ['='] = USER,
    ['$'] = USER,
    [','] = USER,
    ['/'] = USER,
    ['#'] = USER,
};

static char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

/* With what the names below begin: most of a script's begin with X, and need not be compared with all of them. */
static bool is_initial(char letter) {
    switch (lower(letter)) {
    case 'v':
    case 'r':
    case 'c':
    case 'i':
    case 'm':
    case 'l':
    case 'f':
    case 't':
        return true;
    default:
        return false;
    }
}

/* Headers that the switch itself lives by, in lower case, with their compact forms (RFC 3261 7.3.3). */
static const char *const FORBIDDEN[] = {
    "via",
    "v",
    "route",
    "record-route",
    "call-id",
    "i",
    "cseq",
    "from",
    "contact",
    "m",
    "content-length",
    "l",
    "max-forwards",
    "f",
    "to",
    "t",
    "c",
    "content-type",
};

static bool is_made_of(struct text text, uint8_t what) {
    for (uint32_t index = 0; index < text.length; index++) {
        if ((MADE_OF[(uint8_t)text.at[index]] & what) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_folded(struct text text, const char *wanted) {
    uint32_t index = 0;
    while (index < text.length && wanted[index] != '\0' && lower(text.at[index]) == wanted[index]) {
        index++;
    }
    return index == text.length && wanted[index] == '\0';
}

bool is_header_name(struct text name) {
    if (name.length == 0 || name.length > RULES_NAME_CHARACTERS || !is_made_of(name, TOKEN)) {
        return false;
    }
    for (size_t index = 0; is_initial(*name.at) && index < sizeof FORBIDDEN / sizeof *FORBIDDEN; index++) {
        if (is_folded(name, FORBIDDEN[index])) {
            return false;
        }
    }
    return true;
}

/* Whether a text that is UTF-8 has a control character of Unicode's beyond ASCII or one of its line ends: U+0080 to
 * U+009F begin with C2, U+2028 and U+2029 are E2 80 A8 and A9. */
static bool has_wide_control(const uint8_t *at) {
    return (at[0] == 0xc2 && at[1] < 0xa0) || (at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9));
}

bool is_header_value(struct text value) {
    uint32_t characters = 0;
    const uint8_t *bytes = (const uint8_t *)value.at;
    for (uint32_t index = 0; index < value.length; index++) {
        uint8_t byte = bytes[index];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f || (byte >= 0xc2 && has_wide_control(bytes + index))) {
            return false;
        }
        characters += (byte & 0xc0) != 0x80;
    }
    return characters <= RULES_VALUE_CHARACTERS;
}

bool is_number(struct text number) {
    return number.length <= RULES_NUMBER_CHARACTERS && is_made_of(number, USER);
}

/* Writes a sign, the whole part and so many places of the rest; returns the place after them. */
static char *write_decimal(char *at, bool negative, uint64_t whole, uint64_t rest, unsigned places) {
    char digits[20];
    unsigned count = 0;
    if (negative) {
        *at++ = '-';
    }
    do {
        digits[count++] = (char)('0' + whole % 10);
        whole /= 10;
    } while (whole > 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    if (places == 0) {
        return at;
    }
    *at++ = '.';
    for (unsigned place = places; place > 0; place--) {
        at[place - 1] = (char)('0' + rest % 10);
        rest /= 10;
    }
    return at + places;
}

/* A float that is few decimal digits, in plain notation; NULL for any other.
 *
 * So many places after the point are right as first give the float back: both the digits and the power of ten are exact
 * as floats, and so their quotient is the float nearest to what the text says. No other text of at most 15 digits gives
 * the same float, and so this is the shortest, which ECMA-262 Number::toString asks for. From 1e-6 up to 1e21 it is
 * written without an exponent. */
static char *write_float(char *at, double number) {
    double size = number < 0 ? -number : number, power = 1;
    if (size != 0 && (size < 1e-6 || size >= 1e15)) {
        return NULL;
    }
    for (unsigned places = 0; places <= FLOAT_PLACES; places++, power *= 10) {
        if (size * power >= 1e15) {
            return NULL;
        }
        uint64_t all = (uint64_t)(size * power + 0.5), unit = (uint64_t)power;
        if ((double)all / power == size) {
            return write_decimal(at, number < 0, all / unit, all % unit, places);
        }
    }
    return NULL;
}

static char *write_word(char *at, const char *word) {
    size_t length = strlen(word);
    memcpy(at, word, length);
    return at + length;
}

bool number_text(const struct messagepack_head *head, char written[RULES_NUMBER_TEXT], struct text *text) {
    char *end;
    switch (head->kind) {
    case MESSAGEPACK_NATURAL:
        end = write_decimal(written, false, head->natural, 0, 0);
        break;
    case MESSAGEPACK_NEGATIVE:
        end = write_decimal(written, true, UINT64_C(0) - (uint64_t)head->negative, 0, 0);
        break;
    case MESSAGEPACK_BOOLEAN:
        end = write_word(written, head->boolean ? "true" : "false");
        break;
    case MESSAGEPACK_FLOAT:
        end = write_float(written, head->floating);
        break;
    default:
        return false;
    }
    if (end == NULL) {
        return false;
    }
    text->at = written;
    text->length = (uint32_t)(end - written);
    return true;
}
