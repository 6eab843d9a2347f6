#include "library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* Patch releases of the engine keep its interface; others have changed tags and structures. */
#define VERSION "0.17."

struct engine_functions quickjs;

static bool find(void *library, const char *name, void *function, size_t function_bytes) {
    /* POSIX has dlsym give functions as pointers to objects, which C cannot convert; their bytes are the same. */
    void *found = dlsym(library, name);
    memcpy(function, &found, function_bytes);
    return found != NULL;
}

bool engine_library_load(const char *path, char *message, size_t message_bytes) {
    /* For as long as the process lives: values and functions of it are everywhere. */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(message, message_bytes, "the JavaScript engine cannot be loaded: %s", dlerror());
        return false;
    }
    struct engine_functions found;
    if (!find(library, "JS_GetVersion", &found.JS_GetVersion, sizeof found.JS_GetVersion)) {
        snprintf(message, message_bytes, "%s does not say which version of the JavaScript engine it is", path);
        return false;
    }
    const char *version = found.JS_GetVersion();
    if (strncmp(version, VERSION, sizeof VERSION - 1) != 0) {
        snprintf(message, message_bytes, "the JavaScript engine is quickjs-ng %.40s, and " VERSION "x is needed: %s",
                 version, path);
        return false;
    }
#define FIND(result, name, parameters)                                                                                 \
    if (!find(library, #name, &found.name, sizeof found.name)) {                                                       \
        snprintf(message, message_bytes, "the JavaScript engine has no function %s: %s", #name, path);                 \
        return false;                                                                                                  \
    }
    ENGINE_FUNCTIONS(FIND)
#undef FIND
    quickjs = found;
    return true;
}
