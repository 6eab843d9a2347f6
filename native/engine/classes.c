#include "writer.h"

/* The class of the object that stands for a primitive; 0 with an exception. */
static uint32_t boxed_class(JSContext *context, JSValue primitive) {
    JSValue object = quickjs.JS_ToObject(context, primitive);
    quickjs.JS_FreeValue(context, primitive);
    uint32_t class = object.tag == JS_TAG_OBJECT ? quickjs.JS_GetClassID(object) : 0;
    quickjs.JS_FreeValue(context, object);
    return class;
}

static uint32_t raw_json_class(JSContext *context) {
    JSValue realm = quickjs.JS_GetGlobalObject(context);
    JSValue json = quickjs.JS_GetPropertyStr(context, realm, "JSON");
    JSValue raw_json = quickjs.JS_GetPropertyStr(context, json, "rawJSON");
    JSValue zero = {.int32 = 0, .tag = JS_TAG_INT};
    JSValue object = quickjs.JS_Call(context, raw_json, json, 1, &zero);
    uint32_t class = object.tag == JS_TAG_OBJECT ? quickjs.JS_GetClassID(object) : 0;
    quickjs.JS_FreeValue(context, object);
    quickjs.JS_FreeValue(context, raw_json);
    quickjs.JS_FreeValue(context, json);
    quickjs.JS_FreeValue(context, realm);
    return class;
}

static JSValue boolean_value_of(JSContext *context) {
    JSValue object = quickjs.JS_ToObject(context, (JSValue){.tag = JS_TAG_BOOL});
    JSValue value_of = quickjs.JS_GetPropertyStr(context, object, "valueOf");
    quickjs.JS_FreeValue(context, object);
    return value_of;
}

bool writer_classes_find(struct writer_classes *classes, JSContext *context) {
    *classes = (struct writer_classes){
        .number = boxed_class(context, (JSValue){.tag = JS_TAG_INT}),
        .text = boxed_class(context, quickjs.JS_NewStringLen(context, "", 0)),
        .boolean = boxed_class(context, (JSValue){.tag = JS_TAG_BOOL}),
        .big_integer = boxed_class(context, quickjs.JS_NewBigInt64(context, 0)),
        .raw_json = raw_json_class(context),
        .boolean_value_of = boolean_value_of(context),
        .to_json = quickjs.JS_NewAtomLen(context, "toJSON", 6),
        .raw_json_text = quickjs.JS_NewAtomLen(context, "rawJSON", 7),
    };
    return classes->number != 0 && classes->text != 0 && classes->boolean != 0 && classes->big_integer != 0 &&
           classes->raw_json != 0 && classes->boolean_value_of.tag == JS_TAG_OBJECT && classes->to_json != 0 &&
           classes->raw_json_text != 0;
}

void writer_classes_free(struct writer_classes *classes, JSContext *context) {
    quickjs.JS_FreeValue(context, classes->boolean_value_of);
    quickjs.JS_FreeAtom(context, classes->to_json);
    quickjs.JS_FreeAtom(context, classes->raw_json_text);
}
