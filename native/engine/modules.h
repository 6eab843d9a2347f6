/* The files of a program as the engine's own ES modules, and what else they import. What a name means, and what is in a file,
 * the runtime says: nothing is looked up anywhere else. */
#ifndef ENGINE_MODULES_H
#define ENGINE_MODULES_H

#include "library.h"

struct module;

struct modules {
    JSValue resolve;  /* (importing file, name in quotes): the module's name */
    JSValue describe; /* (name): the text of an ES module, or the names of what another exports */
    JSValue provide;  /* (name): an object of what such another exports, once it is evaluated */
    struct module *first;
};

/* Has the engine ask for modules here. */
void modules_open(struct modules *modules, JSContext *context);

/* Functions for the runtime; each finds its modules in the engine. With an exception where it fails.
 *
 * serveModules(resolve, describe, provide)
 * openModule(name): compiles it, and what it imports.
 * evaluateModule(name): evaluates it and gives a promise.
 * namespaceOf(name)
 * settled(promise): whether it is fulfilled; throws what it was rejected with.
 * compile(text, file, line): the value of a script that begins on that line of a file. */
JSValue modules_serve(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
JSValue modules_open_one(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
JSValue modules_evaluate(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
JSValue modules_namespace(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
JSValue modules_settled(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
JSValue modules_compile(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);

#endif
