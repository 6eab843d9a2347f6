#include "modules.h"

#include <string.h>

#include "engine.h"

static const JSValue UNDEFINED = {.tag = JS_TAG_UNDEFINED};
static const JSValue EXCEPTION = {.tag = JS_TAG_EXCEPTION};

/* One that has been opened: the engine gives it out by name to nobody but itself. */
struct module {
    JSAtom name;
    JSValue value;
    struct module *next;
};

static struct modules *modules_of(JSContext *context) {
    struct engine *engine = quickjs.JS_GetContextOpaque(context);
    return &engine->realm->modules;
}

static JSValue text_value(JSContext *context, const char *text) {
    return quickjs.JS_NewStringLen(context, text, strlen(text));
}

/* What a function of the runtime gives for texts. */
static JSValue asked(JSContext *context, JSValueConst function, const char *first, const char *second) {
    JSValue arguments[2] = {text_value(context, first), second == NULL ? UNDEFINED : text_value(context, second)};
    JSValue given = EXCEPTION;
    if (arguments[0].tag != JS_TAG_EXCEPTION && arguments[1].tag != JS_TAG_EXCEPTION) {
        given = quickjs.JS_Call(context, function, UNDEFINED, second == NULL ? 1 : 2, arguments);
    }
    quickjs.JS_FreeValue(context, arguments[0]);
    quickjs.JS_FreeValue(context, arguments[1]);
    return given;
}

/* ---- what the engine asks ---- */

static char *resolve(JSContext *context, const char *importing, const char *name, void *opaque) {
    (void)opaque;
    JSValue found = asked(context, modules_of(context)->resolve, importing, name);
    if (found.tag == JS_TAG_EXCEPTION) {
        return NULL;
    }
    size_t length;
    const char *text = quickjs.JS_ToCStringLen2(context, &length, found, false);
    quickjs.JS_FreeValue(context, found);
    if (text == NULL) {
        return NULL;
    }
    char *copy = quickjs.js_malloc(context, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length + 1);
    }
    quickjs.JS_FreeCString(context, text);
    return copy;
}

static JSValue compile(JSContext *context, JSValueConst text, const char *file, int line, int flags) {
    size_t length;
    const char *bytes = quickjs.JS_ToCStringLen2(context, &length, text, false);
    if (bytes == NULL) {
        return EXCEPTION;
    }
    JSEvalOptions options = {.version = 1, .eval_flags = flags, .filename = file, .line_num = line};
    /* Before, so that a place where it cannot be compiled is one of the file's. */
    JSValue compiled = author_stack_add(context, file, bytes, length, line)
                           ? quickjs.JS_Eval2(context, bytes, length, &options)
                           : EXCEPTION;
    quickjs.JS_FreeCString(context, bytes);
    return compiled;
}

/* Sets each export of a module that is none of the engine's, when its turn to be evaluated comes. */
static int evaluate_provided(JSContext *context, JSModuleDef *definition) {
    JSAtom atom = quickjs.JS_GetModuleName(context, definition);
    const char *name = quickjs.JS_AtomToCStringLen(context, NULL, atom);
    quickjs.JS_FreeAtom(context, atom);
    if (name == NULL) {
        return -1;
    }
    struct modules *modules = modules_of(context);
    JSValue names = asked(context, modules->describe, name, NULL);
    JSValue values = names.tag == JS_TAG_EXCEPTION ? EXCEPTION : asked(context, modules->provide, name, NULL);
    quickjs.JS_FreeCString(context, name);
    int64_t count = -1;
    if (values.tag == JS_TAG_EXCEPTION || quickjs.JS_GetLength(context, names, &count) < 0) {
        count = -1;
    }
    bool done = count >= 0;
    for (int64_t index = 0; index < count && done; index++) {
        JSValue export = quickjs.JS_GetPropertyUint32(context, names, (uint32_t)index);
        const char *text = quickjs.JS_ToCStringLen2(context, NULL, export, false);
        quickjs.JS_FreeValue(context, export);
        JSValue value = text == NULL ? EXCEPTION : quickjs.JS_GetPropertyStr(context, values, text);
        done = value.tag != JS_TAG_EXCEPTION && quickjs.JS_SetModuleExport(context, definition, text, value) >= 0;
        if (text != NULL) {
            quickjs.JS_FreeCString(context, text);
        }
    }
    quickjs.JS_FreeValue(context, values);
    quickjs.JS_FreeValue(context, names);
    return done ? 0 : -1;
}

static bool add_exports(JSContext *context, JSModuleDef *definition, JSValueConst names) {
    int64_t count;
    if (quickjs.JS_GetLength(context, names, &count) < 0) {
        return false;
    }
    bool added = true;
    for (int64_t index = 0; index < count && added; index++) {
        JSValue export = quickjs.JS_GetPropertyUint32(context, names, (uint32_t)index);
        const char *text = quickjs.JS_ToCStringLen2(context, NULL, export, false);
        quickjs.JS_FreeValue(context, export);
        added = text != NULL && quickjs.JS_AddModuleExport(context, definition, text) >= 0;
        if (text != NULL) {
            quickjs.JS_FreeCString(context, text);
        }
    }
    return added;
}

/* A module whose exports the runtime provides. */
static JSValue provided(JSContext *context, const char *name, JSValueConst names) {
    JSModuleDef *definition = quickjs.JS_NewCModule(context, name, evaluate_provided);
    if (definition == NULL || !add_exports(context, definition, names)) {
        return EXCEPTION;
    }
    JSValue value = {.pointer = definition, .tag = JS_TAG_MODULE};
    /* The engine frees, when an import fails, what it has not marked as resolved. */
    return quickjs.JS_ResolveModule(context, value) < 0 ? EXCEPTION : quickjs.JS_DupValue(context, value);
}

static struct module *find(struct modules *modules, JSAtom name) {
    struct module *one = modules->first;
    while (one != NULL && one->name != name) {
        one = one->next;
    }
    return one;
}

static JSValue made(JSContext *context, const char *name) {
    JSValue described = asked(context, modules_of(context)->describe, name, NULL);
    if (described.tag == JS_TAG_EXCEPTION) {
        return EXCEPTION;
    }
    JSValue value = quickjs.JS_IsArray(described)
                        ? provided(context, name, described)
                        : compile(context, described, name, 1, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    quickjs.JS_FreeValue(context, described);
    return value;
}

/* The module of a name, opened where it is not yet; NULL with an exception. */
static struct module *opened(JSContext *context, const char *name) {
    struct modules *modules = modules_of(context);
    JSAtom atom = quickjs.JS_NewAtomLen(context, name, strlen(name));
    if (atom == JS_ATOM_NULL) {
        return NULL;
    }
    struct module *one = find(modules, atom);
    if (one != NULL) {
        quickjs.JS_FreeAtom(context, atom);
        return one;
    }
    JSValue value = made(context, name);
    one = value.tag == JS_TAG_EXCEPTION ? NULL : quickjs.js_malloc(context, sizeof *one);
    if (one == NULL) {
        quickjs.JS_FreeAtom(context, atom);
        return NULL;
    }
    *one = (struct module){.name = atom, .value = value, .next = modules->first};
    modules->first = one;
    return one;
}

static JSModuleDef *load(JSContext *context, const char *name, void *opaque) {
    (void)opaque;
    struct module *one = opened(context, name);
    return one == NULL ? NULL : one->value.pointer;
}

void modules_open(struct modules *modules, JSContext *context) {
    *modules = (struct modules){.resolve = UNDEFINED, .describe = UNDEFINED, .provide = UNDEFINED};
    quickjs.JS_SetModuleLoaderFunc(quickjs.JS_GetRuntime(context), resolve, load, NULL);
}

/* ---- what the runtime asks ---- */

JSValue modules_serve(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct modules *modules = modules_of(context);
    modules->resolve = quickjs.JS_DupValue(context, arguments[0]);
    modules->describe = quickjs.JS_DupValue(context, arguments[1]);
    modules->provide = quickjs.JS_DupValue(context, arguments[2]);
    return UNDEFINED;
}

static struct module *module_named(JSContext *context, JSValueConst name) {
    const char *text = quickjs.JS_ToCStringLen2(context, NULL, name, false);
    struct module *one = text == NULL ? NULL : opened(context, text);
    if (text != NULL) {
        quickjs.JS_FreeCString(context, text);
    }
    return one;
}

JSValue modules_open_one(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    return module_named(context, arguments[0]) == NULL ? EXCEPTION : UNDEFINED;
}

JSValue modules_evaluate(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct module *one = module_named(context, arguments[0]);
    return one == NULL ? EXCEPTION : quickjs.JS_EvalFunction(context, quickjs.JS_DupValue(context, one->value));
}

JSValue modules_namespace(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct module *one = module_named(context, arguments[0]);
    return one == NULL ? EXCEPTION : quickjs.JS_GetModuleNamespace(context, one->value.pointer);
}

JSValue modules_settled(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    JSPromiseStateEnum state = quickjs.JS_PromiseState(context, arguments[0]);
    if (state == JS_PROMISE_REJECTED) {
        return quickjs.JS_Throw(context, quickjs.JS_PromiseResult(context, arguments[0]));
    }
    return (JSValue){.int32 = state == JS_PROMISE_FULFILLED, .tag = JS_TAG_BOOL};
}

JSValue modules_compile(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    const char *file = quickjs.JS_ToCStringLen2(context, NULL, arguments[1], false);
    if (file == NULL) {
        return EXCEPTION;
    }
    int line = arguments[2].tag == JS_TAG_INT ? arguments[2].int32 : 1;
    JSValue value = compile(context, arguments[0], file, line, 0);
    quickjs.JS_FreeCString(context, file);
    return value;
}
