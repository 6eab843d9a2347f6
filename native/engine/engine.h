/* One engine: a JavaScript runtime and context of its own, the limits that hold in it, and the functions of our own
 * JavaScript that are called in it. Nothing here knows Python. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <setjmp.h>

#include "author_stack.h"
#include "clock.h"
#include "cryptography.h"
#include "image.h"
#include "keys.h"
#include "modules.h"
#include "output.h"
#include "packages.h"
#include "random.h"
#include "rejections.h"
#include "stack_words.h"
#include "writer.h"

/* Functions of the runtime that can be called from outside. */
#define FUNCTIONS_MOST 32
#define ARGUMENTS_MOST 8
/* Of a stack, as of those that runtime/failure.js cuts. */
#define STACK_BYTES_TOLD 4000
/* Of the message of an error that was never to come. */
#define MESSAGE_BYTES_TOLD 200

/* What belongs to the heap of an engine, and lies in it. */
struct realm {
    JSRuntime *runtime;
    JSContext *context;
    JSValue functions[FUNCTIONS_MOST];
    unsigned function_count;
    struct rejections rejections;
    struct modules modules;
    struct author_stack stack;
    struct writer_classes classes;
    struct keys keys;
    struct clock clock;
    struct random random;
};

/* An array of MessagePack whose elements come one by one. */
struct list {
    struct output elements;
    uint32_t count;
};

/* What is being written: a value whose getters may write another before it is whole. */
struct unfinished {
    struct output output;
    struct unfinished *outer;
};

/* Why an engine was left from within, with whatever was under way in it. */
enum left {
    HEAP_FULL,
    TIME_OVER, /* and its script went on all the same */
    STOPPED,   /* by the runtime, which has said what came of the run */
};

struct engine {
    struct arena *arena;
    struct images *images;        /* NULL until the base is made */
    uint8_t secret[SECRET_BYTES]; /* of random bytes; in no heap, and so in no image */
    struct packages packages;     /* in no heap, and so in no image */
    struct realm *realm;
    struct stack_words stack_words;
    jmp_buf outside; /* where the engine is left for: what was under way is lost, and its heap with it */
    enum left left;
    bool inside;        /* `outside` is set */
    bool room_is_least; /* the arena's room, and not the limit asked for, is what bounds the heap */
    int64_t ends;       /* nanoseconds of the process's processor time at which a script is interrupted */
    int64_t ends_at;    /* and of the monotonic clock, whichever comes first */
    int64_t read_at;    /* by the machine's clock, when the processor time was read for a limit */
    int64_t read;       /* and what it was */
    int64_t looked;     /* the tick of the machine's clock at which engine_time_may_be_over has looked */
    bool interrupted;
    unsigned interruptions_thrown; /* that the script has met */
    bool interruption_is_put_off;  /* the engine has asked whether the time is over, and was not told */
    bool ended;                    /* by a promise reaction, or left, and every call says so from then on */
    const uint8_t *input;          /* MessagePack that the call under way was given; NULL where it was given none */
    size_t input_bytes;
    struct unfinished *unfinished; /* innermost first; let go of where the engine is left */
    struct output result;
    bool lost_value; /* the result has nil for NaN or infinity, or lacks a property */
    struct list calls;
    struct list lines;
    char tag;           /* what became of the latest call; runtime/run.js says what there is */
    struct output text; /* what it says besides; of tag R it is `result` */
};

/* Whatever crosses with a call. */
struct argument {
    enum { ARGUMENT_TEXT, ARGUMENT_NUMBER, ARGUMENT_BOOLEAN } kind;
    const char *text;
    size_t length;
    double number;
};

/* Makes an arena of `room` bytes and a runtime in it, and evaluates our own JavaScript, bytecode of a function that is given what this side can do and gives
 * an object of functions; `names` are those that are called by their place in it. `library`, unless it is NULL, is memory
 * that lives as long as the engine and is read by its runtime alone. False where there is no memory, or it was no such
 * code. */
bool engine_open(struct engine *engine, size_t room, size_t stack_bytes, const uint8_t *code, size_t code_bytes,
                 const char *const *names, unsigned count, const uint8_t *library, size_t library_bytes);
void engine_close(struct engine *engine);

/* Begin to write something, within what is being written already; NULL where the process has no memory. */
struct output *engine_begin_output(struct engine *engine);
/* Let go of what was begun last. */
void engine_end_output(struct engine *engine);

/* What is in the engine now is its base, from which on there are images of it under this key. False where there is no
 * memory. */
bool engine_make_base(struct engine *engine, const uint8_t key[SEAL_KEY_BYTES]);

/* Takes what differs from where runs begin, as images_take does: the same heap gives the same image, from wherever the
 * engine was entered. */
enum image_result engine_take(struct engine *engine, size_t most, size_t *bytes);
/* The same as a layer, as images_take_layer does. */
enum image_result engine_take_layer(struct engine *engine, struct image_context context, struct layer **layer);

/* Forgets the run that was in the engine, whose heap has been set back or set to an image. */
void engine_forget_run(struct engine *engine);

/* Lets the clock go on to this time, in milliseconds since 1970. */
void engine_set_clock(struct engine *engine, double milliseconds);

/* The heap may grow by so many bytes beyond the base, if the arena has the room. */
void engine_limit_memory(struct engine *engine, size_t bytes);

/* A turn of a run begins: after so much processor time, and up to a millisecond more, its script is interrupted, and at
 * the end of so much time by the clock on the wall, so that it is told where it was also where it had no processor. */
void engine_limit_time(struct engine *engine, double seconds, double wall_seconds);

/* Whether that time is over; the opaque pointer is the engine. */
bool engine_time_is_over(void *opaque);

/* The same for who asks every microsecond: at most one tick of the machine's clock later, since the processor time of a
 * process is a system call and that clock is none. */
bool engine_time_may_be_over(void *opaque);

/* Between the two no script is interrupted: what is thrown while the engine is asked for a stack it drops. After it the call
 * under way ends where its time is over, and says this stack. */
void engine_put_interruption_off(struct engine *engine);
void engine_meet_interruption(struct engine *engine, const char *stack, size_t length);

/* Ends the call under way at once, wherever in it this is called, with a tag and what belongs to it. Returns only where none
 * is under way. */
void engine_stop(struct engine *engine, const char *told, size_t length);

/* Calls a function; `tag` and the outputs say what came of it. */
void engine_call(struct engine *engine, unsigned function, const struct argument *arguments, unsigned count,
                 const uint8_t *input, size_t input_bytes);

/* Calls a function with what bytecode of our own gives. False where there was no memory for it or it threw: `text` has the
 * message. */
bool engine_hand(struct engine *engine, unsigned function, const uint8_t *code, size_t code_bytes);

/* Runs promise reactions until none is left or so many have run. Gives how many. What one throws,
 * the function `failed` is called with. One that ends the engine leaves it to the next call to say so. */
unsigned engine_run_jobs(struct engine *engine, unsigned most, unsigned failed);
bool engine_has_jobs(const struct engine *engine);

/* Forgets the rejection in a place. What a function says of its reason is in `text`; false where it says nothing. */
bool engine_tell_rejection(struct engine *engine, unsigned place, unsigned function);

#endif
