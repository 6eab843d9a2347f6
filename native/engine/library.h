/* What we use of quickjs-ng 0.17: our own declarations of its public functions, which are those that the wheel `quickjs-ng`
 * has in its library `_quickjs`. The engine's own header is not in the wheel; the version is checked instead. */
#ifndef ENGINE_LIBRARY_H
#define ENGINE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX != UINT64_MAX
#error "a JSValue is declared as the engine has it on machines of 64 bits"
#endif

typedef struct JSRuntime JSRuntime;
typedef struct JSContext JSContext;
typedef uint32_t JSAtom;

enum {
    JS_TAG_BIG_INT = -9,
    JS_TAG_SYMBOL = -8,
    JS_TAG_STRING = -7,
    JS_TAG_STRING_ROPE = -6,
    JS_TAG_OBJECT = -1,
    JS_TAG_INT = 0,
    JS_TAG_BOOL = 1,
    JS_TAG_NULL = 2,
    JS_TAG_UNDEFINED = 3,
    JS_TAG_EXCEPTION = 6,
    JS_TAG_SHORT_BIG_INT = 7,
    JS_TAG_FLOAT64 = 8,
};

typedef struct {
    union {
        int32_t int32;
        double float64;
        void *pointer;
    };
    int64_t tag;
} JSValue;

/* How the engine marks a value that it only reads; whoever has a JSValue frees it or gives it away. */
typedef JSValue JSValueConst;

typedef struct {
    void *(*js_calloc)(void *opaque, size_t count, size_t size);
    void *(*js_malloc)(void *opaque, size_t size);
    void (*js_free)(void *opaque, void *block);
    void *(*js_realloc)(void *opaque, void *block, size_t size);
    size_t (*js_malloc_usable_size)(const void *block);
} JSMallocFunctions;

/* FUNCTION(result, name, (parameters)): all that is looked up in the library. */
#define ENGINE_FUNCTIONS(FUNCTION)                                                                                     \
    FUNCTION(const char *, JS_GetVersion, (void))                                                                      \
    FUNCTION(JSRuntime *, JS_NewRuntime2, (const JSMallocFunctions *functions, void *opaque))                          \
    FUNCTION(void, JS_FreeRuntime, (JSRuntime * runtime))                                                              \
    FUNCTION(JSContext *, JS_NewContext, (JSRuntime * runtime))                                                        \
    FUNCTION(void, JS_FreeContext, (JSContext * context))                                                              \
    FUNCTION(void, JS_UpdateStackTop, (JSRuntime * runtime))                                                           \
    FUNCTION(JSValue, JS_Eval,                                                                                         \
             (JSContext * context, const char *text, size_t length, const char *file_name, int flags))                 \
    FUNCTION(void, JS_FreeValue, (JSContext * context, JSValue value))

struct engine_functions {
#define DECLARED(result, name, parameters) result(*name) parameters;
    ENGINE_FUNCTIONS(DECLARED)
#undef DECLARED
};

/* The library's functions, by their own names. Written once, by engine_library_load, and only read from then on: a process
 * has one such library. */
extern struct engine_functions quickjs;

/* Finds the functions in the library at `path`. Where that is none of the version that these declarations are of, or lacks
 * a function, it is false, and `message` says why. */
bool engine_library_load(const char *path, char *message, size_t message_bytes);

#endif
