/* Promises that were rejected and that nobody waits for yet, as the engine tells of them. */
#ifndef ENGINE_REJECTIONS_H
#define ENGINE_REJECTIONS_H

#include "library.h"

/* Rejections of one run that are kept: their author mends the first few. */
#define REJECTIONS_MOST 16

/* No other promise has this one's address as long as it is kept. */
struct rejection {
    JSValue promise;
    JSValue reason;
    bool kept;
};

struct rejections {
    struct rejection places[REJECTIONS_MOST];
};

/* A JSHostPromiseRejectionTracker whose opaque pointer is a struct rejections. */
void rejections_track(JSContext *context, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque);

bool rejections_any(const struct rejections *rejections);

/* Forgets the promise in a place and gives its reason, which the caller frees. False where there is none. */
bool rejections_take(struct rejections *rejections, JSContext *context, unsigned place, JSValue *reason);

#endif
