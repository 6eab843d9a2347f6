/* Files of JavaScript whose errors are asked for their stacks. The first byte is the first line of each, the second how much
 * memory they may have; then follow the name of a file, its text, the next one's name, and so on. Where the third byte is odd
 * each part is a comment instead, behind which is an error whose place is known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "realm.h"

enum { HEAD_BYTES = 3 };
#define MEMORY_BYTES (8 * 1024 * 1024)
/* What the second byte counts. */
#define LITTLE_BYTES 256

static struct fuzzed_realm opened;
static struct parts parts;

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    fuzzed_library_load();
    return 0;
}

static JSValue evaluate(const char *file, const char *text, size_t length, int line) {
    JSContext *context = opened.realm.context;
    JSEvalOptions options = {.version = 1, .filename = file, .line_num = line};
    /* As modules.c does. */
    return author_stack_add(context, file, text, length, line) ? quickjs.JS_Eval2(context, text, length, &options)
                                                               : (JSValue){.tag = JS_TAG_EXCEPTION};
}

/* Reads a stack to its end. A script may have put anything else there. */
static void look_at_stack(JSValueConst error) {
    JSContext *context = opened.realm.context;
    JSValue stack = quickjs.JS_GetPropertyStr(context, error, "stack");
    size_t length;
    const char *text = stack.tag == JS_TAG_STRING ? quickjs.JS_ToCStringLen2(context, &length, stack, false) : NULL;
    if (text != NULL) {
        REQUIRE(strlen(text) <= length);
        quickjs.JS_FreeCString(context, text);
    } else {
        fuzzed_engine_forget_error(&opened.fuzzed);
    }
    quickjs.JS_FreeValue(context, stack);
}

static void evaluate_all(int line) {
    JSContext *context = opened.realm.context;
    for (unsigned index = 0; index + 1 < parts.count; index += 2) {
        const struct part *text = &parts.of[index + 1];
        JSValue value = evaluate(parts.of[index].text, text->text, text->length, line);
        if (value.tag == JS_TAG_EXCEPTION) {
            value = quickjs.JS_GetException(context);
        }
        if (value.tag == JS_TAG_OBJECT) {
            look_at_stack(value);
        }
        quickjs.JS_FreeValue(context, value);
    }
}

/* An error behind a comment is where its author sees it: as many lines down and characters along as the comment is. */
static void expect_behind_comment(const char *comment, size_t length, int line) {
    static const char BEGIN[] = "/*", END[] = "*/new Error().stack";
    enum { COLUMN = 7 }; /* of what is asked for, behind the comment */
    size_t text_bytes = sizeof BEGIN - 1 + length + sizeof END - 1;
    char *text = malloc(text_bytes + 1);
    REQUIRE(text != NULL);
    char *at = stpcpy(text, BEGIN);
    int number = line;
    int column = COLUMN + (int)sizeof BEGIN - 1;
    for (size_t index = 0; index < length; index++) {
        /* From a carriage return the engine counts columns anew, but in a comment it ends no line to it. */
        char one = comment[index] == '*' || comment[index] == '\r' ? '-' : comment[index];
        *at++ = one;
        number += one == '\n';
        column = one == '\n' ? COLUMN : column + (((uint8_t)one & 0xc0) != 0x80);
    }
    memcpy(at, END, sizeof END);
    JSContext *context = opened.realm.context;
    JSValue stack = evaluate("main.js", text, text_bytes, line);
    /* The engine takes no text that is not UTF-8. */
    if (stack.tag == JS_TAG_STRING) {
        char expected[64];
        snprintf(expected, sizeof expected, "    at <eval> (main.js:%d:%d)\n", number, column);
        const char *written = quickjs.JS_ToCStringLen2(context, NULL, stack, false);
        if (written == NULL || strcmp(written, expected) != 0) {
            fprintf(stderr, "expected\n%swritten\n%s", expected, written);
            abort();
        }
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length < HEAD_BYTES) {
        return 0;
    }
    int line = bytes[0] + 1;
    fuzzed_realm_open(&opened, MEMORY_BYTES);
    parts_make(&parts, bytes + HEAD_BYTES, length - HEAD_BYTES);
    if (bytes[2] % 2 != 0) {
        for (unsigned index = 0; index < parts.count; index++) {
            expect_behind_comment(parts.of[index].text, parts.of[index].length, line);
        }
    } else {
        if (bytes[1] > 0) {
            opened.fuzzed.allocator.most = opened.fuzzed.allocator.used + (size_t)bytes[1] * LITTLE_BYTES;
        }
        opened.engine.inside = true;
        if (setjmp(opened.engine.outside) == 0) {
            evaluate_all(line);
        }
    }
    parts_free(&parts);
    fuzzed_realm_close(&opened);
    return 0;
}
