#include "rejections.h"

static void forget(JSContext *context, struct rejection *rejection) {
    struct rejection before = *rejection;
    rejection->kept = false;
    quickjs.JS_FreeValue(context, before.promise);
    quickjs.JS_FreeValue(context, before.reason);
}

void rejections_track(JSContext *context, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque) {
    struct rejections *rejections = opaque;
    struct rejection *unused = NULL;
    for (unsigned place = 0; place < REJECTIONS_MOST; place++) {
        struct rejection *rejection = &rejections->places[place];
        if (rejection->kept && rejection->promise.pointer == promise.pointer) {
            if (is_handled) {
                forget(context, rejection);
            }
            return;
        }
        if (!rejection->kept && unused == NULL) {
            unused = rejection;
        }
    }
    if (!is_handled && unused != NULL) {
        *unused = (struct rejection){
            .promise = quickjs.JS_DupValue(context, promise),
            .reason = quickjs.JS_DupValue(context, reason),
            .kept = true,
        };
    }
}

bool rejections_any(const struct rejections *rejections) {
    for (unsigned place = 0; place < REJECTIONS_MOST; place++) {
        if (rejections->places[place].kept) {
            return true;
        }
    }
    return false;
}

bool rejections_take(struct rejections *rejections, JSContext *context, unsigned place, JSValue *reason) {
    struct rejection *rejection = &rejections->places[place];
    if (!rejection->kept) {
        return false;
    }
    *reason = quickjs.JS_DupValue(context, rejection->reason);
    forget(context, rejection);
    return true;
}
