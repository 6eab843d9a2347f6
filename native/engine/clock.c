#include "clock.h"

/* What a look takes: about as long as it takes in truth, so that a loop that waits for the clock waits as long. */
#define LOOK 50
/* Milliseconds from 1970, some 285 years, that fit. */
#define FARTHEST 9e12

static int64_t nanoseconds(double milliseconds) {
    if (!(milliseconds > -FARTHEST && milliseconds < FARTHEST)) {
        milliseconds = milliseconds > 0 ? FARTHEST : -FARTHEST;
    }
    /* Multiplied as a whole, a time of today would lose its last digits. */
    int64_t whole = (int64_t)milliseconds;
    return whole * CLOCK_MILLISECOND + (int64_t)((milliseconds - (double)whole) * CLOCK_MILLISECOND);
}

void clock_begin(struct clock *clock, double milliseconds) {
    clock->now = nanoseconds(milliseconds);
}

void clock_set(struct clock *clock, double milliseconds) {
    int64_t now = nanoseconds(milliseconds);
    if (now > clock->now) {
        clock->now = now;
    }
}

static int64_t looked_at(struct clock *clock) {
    int64_t now = clock->now;
    clock->now += LOOK;
    return now;
}

static JSValue number(double value) {
    return (JSValue){.float64 = value, .tag = JS_TAG_FLOAT64};
}

/* Whole milliseconds since 1970. */
static JSValue date_time(JSContext *context) {
    int64_t now = looked_at(clock_of(context));
    int64_t milliseconds = now / CLOCK_MILLISECOND - (now % CLOCK_MILLISECOND < 0);
    return number((double)milliseconds);
}

static JSValue date_now(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    (void)arguments;
    return date_time(context);
}

static JSValue construct_date(JSContext *context, JSValueConst new_target, int count, JSValueConst *arguments) {
    JSValue time = date_time(context);
    JSValueConst native = clock_of(context)->date;
    if (new_target.tag == JS_TAG_UNDEFINED) {
        /* Called without new it gives a text, whatever it is given. */
        JSValue date = quickjs.JS_CallConstructor(context, native, 1, &time);
        if (date.tag == JS_TAG_EXCEPTION) {
            return date;
        }
        JSValue text = quickjs.JS_ToString(context, date);
        quickjs.JS_FreeValue(context, date);
        return text;
    }
    if (count == 0) {
        return quickjs.JS_CallConstructor2(context, native, new_target, 1, &time);
    }
    return quickjs.JS_CallConstructor2(context, native, new_target, count, arguments);
}

/* ---- putting them in place ---- */

static bool define(JSContext *context, JSValueConst object, const char *name, JSValue value, int flags) {
    JSAtom atom = quickjs.JS_NewAtomLen(context, name, __builtin_strlen(name));
    if (atom == 0 || value.tag == JS_TAG_EXCEPTION) {
        quickjs.JS_FreeValue(context, value);
        quickjs.JS_FreeAtom(context, atom);
        return false;
    }
    int defined = quickjs.JS_DefinePropertyValue(context, object, atom, value, flags);
    quickjs.JS_FreeAtom(context, atom);
    return defined >= 0;
}

static bool define_function(JSContext *context, JSValueConst object, const char *name, JSCFunction *function,
                            int flags) {
    JSValue made = quickjs.JS_NewCFunction2(context, function, name, 0, JS_CFUNC_GENERIC, 0);
    return define(context, object, name, made, flags);
}

static bool copy_property(JSContext *context, JSValueConst to, JSValueConst from, const char *name) {
    return define(context, to, name, quickjs.JS_GetPropertyStr(context, from, name), JS_PROP_WRITABLE_CONFIGURABLE);
}

static bool define_date(JSContext *context, JSValueConst realm, JSValueConst native) {
    JSValue date = quickjs.JS_NewCFunction2(context, construct_date, "Date", 7, JS_CFUNC_CONSTRUCTOR_OR_FUNCTION, 0);
    if (date.tag == JS_TAG_EXCEPTION) {
        return false;
    }
    JSValue prototype = quickjs.JS_GetPropertyStr(context, native, "prototype");
    bool made = prototype.tag == JS_TAG_OBJECT && quickjs.JS_SetConstructor(context, date, prototype) >= 0 &&
                define_function(context, date, "now", date_now, JS_PROP_WRITABLE_CONFIGURABLE) &&
                copy_property(context, date, native, "parse") && copy_property(context, date, native, "UTC");
    quickjs.JS_FreeValue(context, prototype);
    if (!made) {
        quickjs.JS_FreeValue(context, date);
        return false;
    }
    return define(context, realm, "Date", date, JS_PROP_WRITABLE_CONFIGURABLE);
}

bool clock_open(struct clock *clock, JSContext *context) {
    JSValue realm = quickjs.JS_GetGlobalObject(context);
    clock->date = quickjs.JS_GetPropertyStr(context, realm, "Date");
    bool opened = clock->date.tag == JS_TAG_OBJECT && define_date(context, realm, clock->date);
    quickjs.JS_FreeValue(context, realm);
    return opened;
}
