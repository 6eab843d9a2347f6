/* Date by a clock that is given. It is set for each turn of a run, and stands still within one but for
 * the 50 nanoseconds that each look at it takes: so it advances, a script that waits for it in a loop comes to an end,
 * and a run that is repeated with the same times sees the same ones. It never goes back. */
#ifndef ENGINE_CLOCK_H
#define ENGINE_CLOCK_H

#include "library.h"

/* In nanoseconds, which the clock counts. */
#define CLOCK_MILLISECOND 1000000

struct clock {
    int64_t now;  /* nanoseconds since 1970 */
    JSValue date; /* the engine's own constructor */
};

/* Puts ours in place of the engine's Date. The clock lies in the engine's heap. False with an exception of the engine's. */
bool clock_open(struct clock *clock, JSContext *context);

/* Milliseconds since 1970 at which a run begins or goes on. */
void clock_begin(struct clock *clock, double milliseconds);
void clock_set(struct clock *clock, double milliseconds);

/* The clock of a context; whoever opens it has this function. */
struct clock *clock_of(JSContext *context);

#endif
