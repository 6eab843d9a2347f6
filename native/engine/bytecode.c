#include "bytecode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *copied(const uint8_t *code, size_t bytes) {
    uint8_t *copy = malloc(bytes);
    if (copy != NULL) {
        memcpy(copy, code, bytes);
    }
    return copy;
}

static uint8_t *compile_in(JSContext *context, const char *text, size_t length, size_t *code_bytes) {
    JSValue compiled = quickjs.JS_Eval(context, text, length, "<input>", JS_EVAL_FLAG_COMPILE_ONLY);
    if (compiled.tag == JS_TAG_EXCEPTION) {
        return NULL;
    }
    /* No text and no line table: an author's stack has no places of ours. */
    int flags = JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE | JS_WRITE_OBJ_STRIP_DEBUG;
    uint8_t *code = quickjs.JS_WriteObject(context, code_bytes, compiled, flags);
    quickjs.JS_FreeValue(context, compiled);
    uint8_t *copy = code == NULL ? NULL : copied(code, *code_bytes);
    quickjs.js_free(context, code);
    return copy;
}

static void tell_exception(JSContext *context, char *message, size_t message_bytes) {
    JSValue error = quickjs.JS_GetException(context);
    const char *text = quickjs.JS_ToCStringLen2(context, NULL, error, false);
    snprintf(message, message_bytes, "%s", text == NULL ? "no memory" : text);
    if (text != NULL) {
        quickjs.JS_FreeCString(context, text);
    }
    quickjs.JS_FreeValue(context, error);
}

uint8_t *bytecode_compile(const char *text, size_t length, size_t *code_bytes, char *message, size_t message_bytes) {
    JSRuntime *runtime = quickjs.JS_NewRuntime();
    JSContext *context = runtime == NULL ? NULL : quickjs.JS_NewContext(runtime);
    uint8_t *code = NULL;
    if (context != NULL) {
        code = compile_in(context, text, length, code_bytes);
        if (code == NULL) {
            tell_exception(context, message, message_bytes);
        }
        quickjs.JS_FreeContext(context);
    } else {
        snprintf(message, message_bytes, "no memory");
    }
    if (runtime != NULL) {
        quickjs.JS_FreeRuntime(runtime);
    }
    return code;
}

JSValue bytecode_evaluate(JSContext *context, const uint8_t *code, size_t code_bytes) {
    JSValue value = quickjs.JS_ReadObject(context, code, code_bytes, JS_READ_OBJ_BYTECODE);
    return value.tag == JS_TAG_EXCEPTION ? value : quickjs.JS_EvalFunction(context, value);
}
