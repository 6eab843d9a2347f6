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
typedef struct JSModuleDef JSModuleDef;
typedef uint32_t JSAtom;
#define JS_ATOM_NULL ((JSAtom)0)

enum {
    JS_TAG_BIG_INT = -9,
    JS_TAG_SYMBOL = -8,
    JS_TAG_STRING = -7,
    JS_TAG_STRING_ROPE = -6,
    JS_TAG_MODULE = -3,
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

typedef struct {
    bool is_enumerable;
    JSAtom atom;
} JSPropertyEnum;

typedef struct {
    int flags;
    JSValue value;
    JSValue getter;
    JSValue setter;
} JSPropertyDescriptor;

typedef JSValue JSCFunction(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
/* The text must end with a zero. */
typedef struct {
    int version; /* of this structure: 1 */
    int eval_flags;
    const char *filename;
    int line_num; /* of the text's first line; 0 is 1 */
} JSEvalOptions;

typedef char *JSModuleNormalizeFunc(JSContext *context, const char *importing, const char *name, void *opaque);
typedef JSModuleDef *JSModuleLoaderFunc(JSContext *context, const char *name, void *opaque);
typedef int JSModuleInitFunc(JSContext *context, JSModuleDef *module);

typedef enum {
    JS_PROMISE_NOT_A_PROMISE = -1,
    JS_PROMISE_PENDING = 0,
    JS_PROMISE_FULFILLED,
    JS_PROMISE_REJECTED,
} JSPromiseStateEnum;

typedef JSValue JSClassCall(JSContext *context, JSValueConst function, JSValueConst this, int count,
                            JSValueConst *arguments, int flags);
typedef struct {
    const char *class_name;
    void *finalizer;
    void *gc_mark;
    JSClassCall *call; /* what makes functions of a class's objects */
    void *exotic;
} JSClassDef;

typedef int JSInterruptHandler(JSRuntime *runtime, void *opaque);
typedef void JSHostPromiseRejectionTracker(JSContext *context, JSValueConst promise, JSValueConst reason,
                                           bool is_handled, void *opaque);

enum {
    JS_PROP_WRITABLE_CONFIGURABLE = 3,
    JS_PROP_C_W_E = 7,         /* configurable, writable, enumerable */
    JS_GPN_STRING_MASK = 1,    /* of JS_GetOwnPropertyNames: keys that are texts */
    JS_GPN_ENUM_ONLY = 1 << 4, /* and enumerable */
    JS_CFUNC_GENERIC = 0,
    JS_CFUNC_CONSTRUCTOR_OR_FUNCTION = 4,
    JS_EVAL_TYPE_MODULE = 1 << 0,
    JS_EVAL_FLAG_COMPILE_ONLY = 1 << 5,
    JS_WRITE_OBJ_BYTECODE = 1,
    JS_WRITE_OBJ_STRIP_SOURCE = 1 << 4,
    JS_WRITE_OBJ_STRIP_DEBUG = 1 << 5,
    JS_READ_OBJ_BYTECODE = 1,
};

/* FUNCTION(result, name, (parameters)): all that is looked up in the library. */
#define ENGINE_FUNCTIONS(FUNCTION)                                                                                     \
    FUNCTION(const char *, JS_GetVersion, (void))                                                                      \
    FUNCTION(JSRuntime *, JS_NewRuntime, (void))                                                                       \
    FUNCTION(JSRuntime *, JS_NewRuntime2, (const JSMallocFunctions *functions, void *opaque))                          \
    FUNCTION(void, JS_FreeRuntime, (JSRuntime * runtime))                                                              \
    FUNCTION(JSContext *, JS_NewContext, (JSRuntime * runtime))                                                        \
    FUNCTION(void, JS_FreeContext, (JSContext * context))                                                              \
    FUNCTION(void *, JS_GetContextOpaque, (JSContext * context))                                                       \
    FUNCTION(void, JS_SetContextOpaque, (JSContext * context, void *opaque))                                           \
    FUNCTION(void, JS_SetMaxStackSize, (JSRuntime * runtime, size_t bytes))                                            \
    FUNCTION(void, JS_UpdateStackTop, (JSRuntime * runtime))                                                           \
    FUNCTION(void, JS_SetInterruptHandler, (JSRuntime * runtime, JSInterruptHandler * handler, void *opaque))          \
    FUNCTION(void, JS_SetHostPromiseRejectionTracker,                                                                  \
             (JSRuntime * runtime, JSHostPromiseRejectionTracker * tracker, void *opaque))                             \
    FUNCTION(bool, JS_IsJobPending, (JSRuntime * runtime))                                                             \
    FUNCTION(int, JS_ExecutePendingJob, (JSRuntime * runtime, JSContext * *context))                                   \
    FUNCTION(void *, js_malloc, (JSContext * context, size_t size))                                                    \
    FUNCTION(void *, js_mallocz, (JSContext * context, size_t size))                                                   \
    FUNCTION(void, js_free, (JSContext * context, void *block))                                                        \
    FUNCTION(JSValue, JS_Eval,                                                                                         \
             (JSContext * context, const char *text, size_t length, const char *file_name, int flags))                 \
    FUNCTION(JSValue, JS_Eval2, (JSContext * context, const char *text, size_t length, JSEvalOptions *options))        \
    FUNCTION(JSRuntime *, JS_GetRuntime, (JSContext * context))                                                        \
    FUNCTION(void, JS_SetModuleLoaderFunc,                                                                             \
             (JSRuntime * runtime, JSModuleNormalizeFunc * resolve, JSModuleLoaderFunc * load, void *opaque))          \
    FUNCTION(int, JS_ResolveModule, (JSContext * context, JSValueConst module))                                        \
    FUNCTION(JSValue, JS_GetModuleNamespace, (JSContext * context, JSModuleDef * module))                              \
    FUNCTION(JSAtom, JS_GetModuleName, (JSContext * context, JSModuleDef * module))                                    \
    FUNCTION(JSModuleDef *, JS_NewCModule, (JSContext * context, const char *name, JSModuleInitFunc *evaluate))        \
    FUNCTION(int, JS_AddModuleExport, (JSContext * context, JSModuleDef * module, const char *name))                   \
    FUNCTION(int, JS_SetModuleExport, (JSContext * context, JSModuleDef * module, const char *name, JSValue value))    \
    FUNCTION(JSPromiseStateEnum, JS_PromiseState, (JSContext * context, JSValueConst promise))                         \
    FUNCTION(JSValue, JS_PromiseResult, (JSContext * context, JSValueConst promise))                                   \
    FUNCTION(uint8_t *, JS_WriteObject, (JSContext * context, size_t *size, JSValueConst value, int flags))            \
    FUNCTION(JSValue, JS_ReadObject, (JSContext * context, const uint8_t *bytes, size_t size, int flags))              \
    FUNCTION(JSValue, JS_EvalFunction, (JSContext * context, JSValue function))                                        \
    FUNCTION(JSValue, JS_Call,                                                                                         \
             (JSContext * context, JSValueConst function, JSValueConst this, int count, JSValueConst *arguments))      \
    FUNCTION(JSValue, JS_CallConstructor,                                                                              \
             (JSContext * context, JSValueConst function, int count, JSValueConst *arguments))                         \
    FUNCTION(                                                                                                          \
        JSValue, JS_CallConstructor2,                                                                                  \
        (JSContext * context, JSValueConst function, JSValueConst new_target, int count, JSValueConst *arguments))     \
    FUNCTION(int, JS_SetConstructor, (JSContext * context, JSValueConst function, JSValueConst prototype))             \
    FUNCTION(void, JS_RunGC, (JSRuntime * runtime))                                                                    \
    FUNCTION(size_t, JS_GetGCThreshold, (JSRuntime * runtime))                                                         \
    FUNCTION(void, JS_SetGCThreshold, (JSRuntime * runtime, size_t bytes))                                             \
    FUNCTION(JSValue, JS_GetException, (JSContext * context))                                                          \
    FUNCTION(JSValue, JS_Throw, (JSContext * context, JSValue error))                                                  \
    FUNCTION(JSValue, JS_ThrowTypeError, (JSContext * context, const char *format, ...))                               \
    FUNCTION(JSValue, JS_ThrowRangeError, (JSContext * context, const char *format, ...))                              \
    FUNCTION(JSValue, JS_ThrowSyntaxError, (JSContext * context, const char *format, ...))                             \
    FUNCTION(JSValue, JS_ThrowInternalError, (JSContext * context, const char *format, ...))                           \
    FUNCTION(JSValue, JS_ThrowOutOfMemory, (JSContext * context))                                                      \
    FUNCTION(void, JS_SetUncatchableError, (JSContext * context, JSValueConst error))                                  \
    FUNCTION(bool, JS_IsUncatchableError, (JSValueConst error))                                                        \
    FUNCTION(JSValue, JS_DupValue, (JSContext * context, JSValueConst value))                                          \
    FUNCTION(void, JS_FreeValue, (JSContext * context, JSValue value))                                                 \
    FUNCTION(JSAtom, JS_NewAtomLen, (JSContext * context, const char *text, size_t length))                            \
    FUNCTION(JSAtom, JS_ValueToAtom, (JSContext * context, JSValueConst value))                                        \
    FUNCTION(JSAtom, JS_DupAtom, (JSContext * context, JSAtom atom))                                                   \
    FUNCTION(void, JS_FreeAtom, (JSContext * context, JSAtom atom))                                                    \
    FUNCTION(JSValue, JS_AtomToString, (JSContext * context, JSAtom atom))                                             \
    FUNCTION(const char *, JS_AtomToCStringLen, (JSContext * context, size_t *length, JSAtom atom))                    \
    FUNCTION(JSValue, JS_NewStringLen, (JSContext * context, const char *text, size_t length))                         \
    FUNCTION(const char *, JS_ToCStringLen2, (JSContext * context, size_t *length, JSValueConst value, bool cesu8))    \
    FUNCTION(void, JS_FreeCString, (JSContext * context, const char *text))                                            \
    FUNCTION(JSValue, JS_ToString, (JSContext * context, JSValueConst value))                                          \
    FUNCTION(JSValue, JS_ToNumber, (JSContext * context, JSValueConst value))                                          \
    FUNCTION(JSValue, JS_ToObject, (JSContext * context, JSValueConst value))                                          \
    FUNCTION(JSValue, JS_NewBigInt64, (JSContext * context, int64_t number))                                           \
    FUNCTION(JSValue, JS_ParseJSON, (JSContext * context, const char *text, size_t length, const char *file_name))     \
    FUNCTION(JSValue, JS_NewObject, (JSContext * context))                                                             \
    FUNCTION(JSValue, JS_NewArrayFrom, (JSContext * context, int count, const JSValue *values))                        \
    FUNCTION(JSValue, JS_NewArrayBuffer,                                                                               \
             (JSContext * context, uint8_t *bytes, size_t size, size_t most, void *reallocate, void *opaque,           \
              bool is_shared))                                                                                         \
    FUNCTION(JSValue, JS_NewArrayBufferCopy, (JSContext * context, const uint8_t *bytes, size_t size))                 \
    FUNCTION(uint8_t *, JS_GetUint8Array, (JSContext * context, size_t *size, JSValueConst array))                     \
    FUNCTION(JSValue, JS_NewCFunction2,                                                                                \
             (JSContext * context, JSCFunction * function, const char *name, int parameters, int kind, int magic))     \
    FUNCTION(uint32_t, JS_NewClassID, (JSRuntime * runtime, uint32_t *class_id))                                       \
    FUNCTION(int, JS_NewClass, (JSRuntime * runtime, uint32_t class_id, const JSClassDef *definition))                 \
    FUNCTION(JSValue, JS_NewObjectClass, (JSContext * context, int class_id))                                          \
    FUNCTION(JSValue, JS_GetGlobalObject, (JSContext * context))                                                       \
    FUNCTION(JSValue, JS_GetProperty, (JSContext * context, JSValueConst object, JSAtom name))                         \
    FUNCTION(JSValue, JS_GetPropertyStr, (JSContext * context, JSValueConst object, const char *name))                 \
    FUNCTION(JSValue, JS_GetPropertyUint32, (JSContext * context, JSValueConst object, uint32_t index))                \
    FUNCTION(int, JS_GetLength, (JSContext * context, JSValueConst object, int64_t *length))                           \
    FUNCTION(int, JS_GetOwnPropertyNames,                                                                              \
             (JSContext * context, JSPropertyEnum * *properties, uint32_t *count, JSValueConst object, int flags))     \
    FUNCTION(void, JS_FreePropertyEnum, (JSContext * context, JSPropertyEnum * properties, uint32_t count))            \
    FUNCTION(int, JS_GetOwnProperty,                                                                                   \
             (JSContext * context, JSPropertyDescriptor * found, JSValueConst object, JSAtom name))                    \
    FUNCTION(int, JS_SetPropertyStr, (JSContext * context, JSValueConst object, const char *name, JSValue value))      \
    FUNCTION(int, JS_DefinePropertyValue,                                                                              \
             (JSContext * context, JSValueConst object, JSAtom name, JSValue value, int flags))                        \
    FUNCTION(bool, JS_IsFunction, (JSContext * context, JSValueConst value))                                           \
    FUNCTION(bool, JS_IsArray, (JSValueConst value))                                                                   \
    FUNCTION(bool, JS_IsProxy, (JSValueConst value))                                                                   \
    FUNCTION(JSValue, JS_GetProxyTarget, (JSContext * context, JSValueConst proxy))                                    \
    FUNCTION(uint32_t, JS_GetClassID, (JSValueConst value))

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
