#include "author_stack.h"

#include <stdio.h>
#include <string.h>

#include "engine.h"

enum {
    FRAMES_MOST = 10, /* as Error.stackTraceLimit says */
    FUNCTION_BYTES_MOST = 200,
    FILE_BYTES_MOST = 1100, /* the HTTP API takes names of 256 characters */
    /* Three times what writing a stack takes, of which the text is 13 KB. */
    MORE_STACK_BYTES = 64 * 1024,
};
#define STACK_BYTES_MOST (FRAMES_MOST * (FUNCTION_BYTES_MOST + FILE_BYTES_MOST + 40))

static const JSValue UNDEFINED = {.tag = JS_TAG_UNDEFINED};

/* A line with a character outside ASCII, up to the last such one. */
struct author_line {
    uint32_t number; /* from 1 */
    uint32_t length;
    const char *text; /* behind the records of its file */
};

struct author_file {
    JSAtom name;
    uint32_t line_count;
    struct author_file *next;
    struct author_line lines[];
};

static struct author_stack *stack_of(JSContext *context) {
    struct engine *engine = quickjs.JS_GetContextOpaque(context);
    return &engine->realm->stack;
}

/* ---- files ---- */

static bool is_ascii(char one) {
    return (uint8_t)one < 0x80;
}

/* How long a line is up to its last character outside ASCII. */
static size_t length_to_note(const char *line, size_t length) {
    while (length > 0 && is_ascii(line[length - 1])) {
        length--;
    }
    return length;
}

static const char *line_end(const char *line, const char *end) {
    const char *found = memchr(line, '\n', (size_t)(end - line));
    return found == NULL ? end : found;
}

/* Calls `note` with each line that has a character outside ASCII, and its number in the text from 0. */
static void each_line_to_note(const char *text, size_t length, void (*note)(void *, uint32_t, const char *, size_t),
                              void *opaque) {
    const char *end = text + length;
    uint32_t number = 0;
    for (const char *line = text; line < end; number++) {
        const char *behind = line_end(line, end);
        size_t noted = length_to_note(line, (size_t)(behind - line));
        if (noted > 0) {
            note(opaque, number, line, noted);
        }
        line = behind + 1;
    }
}

struct extent {
    uint32_t lines;
    size_t bytes;
};

static void count_line(void *opaque, uint32_t number, const char *line, size_t length) {
    (void)number;
    (void)line;
    struct extent *extent = opaque;
    extent->lines++;
    extent->bytes += length;
}

struct filling {
    struct author_file *file;
    char *texts;
    int first_line;
};

static void fill_line(void *opaque, uint32_t number, const char *line, size_t length) {
    struct filling *filling = opaque;
    memcpy(filling->texts, line, length);
    filling->file->lines[filling->file->line_count++] = (struct author_line){
        .number = number + (uint32_t)filling->first_line,
        .length = (uint32_t)length,
        .text = filling->texts,
    };
    filling->texts += length;
}

bool author_stack_add(JSContext *context, const char *name, const char *text, size_t length, int line) {
    struct extent extent = {0};
    each_line_to_note(text, length, count_line, &extent);
    size_t records = sizeof(struct author_file) + extent.lines * sizeof(struct author_line);
    struct author_file *file = quickjs.js_mallocz(context, records + extent.bytes);
    JSAtom atom = file == NULL ? JS_ATOM_NULL : quickjs.JS_NewAtomLen(context, name, strlen(name));
    if (atom == JS_ATOM_NULL) {
        quickjs.js_free(context, file);
        return false;
    }
    struct filling filling = {.file = file, .texts = (char *)file + records, .first_line = line};
    each_line_to_note(text, length, fill_line, &filling);
    struct author_stack *stack = stack_of(context);
    file->name = atom;
    file->next = stack->files;
    stack->files = file;
    return true;
}

static const struct author_file *file_named(JSContext *context, JSValueConst name) {
    if (name.tag != JS_TAG_STRING) {
        return NULL;
    }
    JSAtom atom = quickjs.JS_ValueToAtom(context, name);
    const struct author_file *file = stack_of(context)->files;
    while (file != NULL && file->name != atom) {
        file = file->next;
    }
    quickjs.JS_FreeAtom(context, atom);
    return file;
}

static int column_in_characters(const struct author_file *file, int number, int column) {
    uint32_t first = 0;
    uint32_t behind = file->line_count;
    while (first < behind) {
        uint32_t middle = first + (behind - first) / 2;
        if (file->lines[middle].number < (uint32_t)number) {
            first = middle + 1;
        } else {
            behind = middle;
        }
    }
    if (column < 1 || first == file->line_count || file->lines[first].number != (uint32_t)number) {
        return column;
    }
    const struct author_line *line = &file->lines[first];
    uint32_t before = (uint32_t)column - 1 < line->length ? (uint32_t)column - 1 : line->length;
    int characters = column;
    for (uint32_t index = 0; index < before; index++) {
        characters -= ((uint8_t)line->text[index] & 0xc0) == 0x80; /* RFC 3629, 3: one that continues a character */
    }
    return characters;
}

/* ---- stacks ---- */

struct text {
    size_t length;
    char bytes[STACK_BYTES_MOST];
};

static void add_bytes(struct text *text, const char *bytes, size_t length) {
    size_t room = sizeof text->bytes - text->length;
    memcpy(text->bytes + text->length, bytes, length < room ? length : room);
    text->length += length < room ? length : room;
}

static void add(struct text *text, const char *bytes) {
    add_bytes(text, bytes, strlen(bytes));
}

/* The beginning of a name, of whole characters. False where there is none. */
static bool add_name(struct text *text, JSContext *context, JSValueConst name, size_t most) {
    size_t length = 0;
    const char *bytes = name.tag == JS_TAG_STRING ? quickjs.JS_ToCStringLen2(context, &length, name, false) : NULL;
    if (bytes == NULL) {
        return false;
    }
    size_t shown = length < most ? length : most;
    while (shown < length && shown > 0 && ((uint8_t)bytes[shown] & 0xc0) == 0x80) {
        shown--;
    }
    add_bytes(text, bytes, shown);
    quickjs.JS_FreeCString(context, bytes);
    return shown > 0;
}

static JSValue asked(JSContext *context, JSValueConst frame, unsigned question) {
    return quickjs.JS_Call(context, stack_of(context)->questions[question], frame, 0, NULL);
}

static int number_of(JSContext *context, JSValueConst frame, unsigned question) {
    JSValue number = asked(context, frame, question);
    int value = number.tag == JS_TAG_INT ? number.int32 : 0;
    quickjs.JS_FreeValue(context, number);
    return value;
}

static bool is_native(JSContext *context, JSValueConst frame) {
    JSValue answer = asked(context, frame, FRAME_IS_NATIVE);
    bool native = answer.tag == JS_TAG_BOOL && answer.int32 != 0;
    quickjs.JS_FreeValue(context, answer);
    return native;
}

static void add_function(struct text *text, JSContext *context, JSValueConst frame) {
    JSValue name = asked(context, frame, FRAME_FUNCTION);
    if (!add_name(text, context, name, FUNCTION_BYTES_MOST)) {
        add(text, "<anonymous>"); /* as the engine calls it */
    }
    quickjs.JS_FreeValue(context, name);
}

static void add_place(struct text *text, JSContext *context, JSValueConst frame, const struct author_file *file,
                      JSValueConst name) {
    int line = number_of(context, frame, FRAME_LINE);
    int column = column_in_characters(file, line, number_of(context, frame, FRAME_COLUMN));
    char numbers[32];
    int length = snprintf(numbers, sizeof numbers, ":%d:%d", line, column);
    add_name(text, context, name, FILE_BYTES_MOST);
    add_bytes(text, numbers, (size_t)length);
}

/* A place without a function, of what could not be compiled, has no parentheses. */
static void add_author_frame(struct text *text, JSContext *context, JSValueConst frame, const struct author_file *file,
                             JSValueConst name, bool is_compiling) {
    add(text, "    at ");
    if (!is_compiling) {
        add_function(text, context, frame);
        add(text, " (");
    }
    add_place(text, context, frame, file, name);
    add(text, is_compiling ? "\n" : ")\n");
}

static void add_native_frame(struct text *text, JSContext *context, JSValueConst frame) {
    add(text, "    at ");
    add_function(text, context, frame);
    add(text, " (native)\n");
}

/* The text of a stack, whose frames are innermost first. What is native is told of where the next one out is an author's:
 * he called it. */
static void write_frames(struct text *text, JSContext *context, JSValueConst frames, uint32_t count) {
    JSValue before = UNDEFINED;
    for (uint32_t index = 0; index < count; index++) {
        JSValue frame = quickjs.JS_GetPropertyUint32(context, frames, index);
        JSValue name = asked(context, frame, FRAME_FILE);
        const struct author_file *file = file_named(context, name);
        if (file != NULL) {
            if (before.tag == JS_TAG_OBJECT) {
                add_native_frame(text, context, before);
            }
            JSValue function = asked(context, frame, FRAME_CALLED);
            add_author_frame(text, context, frame, file, name, function.tag != JS_TAG_OBJECT);
            quickjs.JS_FreeValue(context, function);
        }
        quickjs.JS_FreeValue(context, before);
        before = file == NULL && name.tag != JS_TAG_STRING && is_native(context, frame)
                     ? quickjs.JS_DupValue(context, frame)
                     : UNDEFINED;
        quickjs.JS_FreeValue(context, name);
        quickjs.JS_FreeValue(context, frame);
    }
    quickjs.JS_FreeValue(context, before);
}

/* prepare(error, frames), called by the engine for each error. */
static JSValue prepare(JSContext *context, JSValueConst function, JSValueConst this, int count, JSValueConst *arguments,
                       int flags) {
    (void)function;
    (void)this;
    (void)flags;
    int64_t frames;
    if (count < 2 || quickjs.JS_GetLength(context, arguments[1], &frames) < 0) {
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    }
    struct author_stack *stack = stack_of(context);
    struct engine *engine = quickjs.JS_GetContextOpaque(context);
    struct text text;
    text.length = 0;
    engine_put_interruption_off(engine);
    quickjs.JS_SetMaxStackSize(engine->realm->runtime, stack->stack_bytes + MORE_STACK_BYTES);
    write_frames(&text, context, arguments[1], frames < FRAMES_MOST ? (uint32_t)frames : FRAMES_MOST);
    JSValue written = quickjs.JS_NewStringLen(context, text.bytes, text.length);
    quickjs.JS_SetMaxStackSize(engine->realm->runtime, stack->stack_bytes);
    engine_meet_interruption(engine, text.bytes, text.length);
    return written;
}

/* ---- putting it in place ---- */

/* What frames are asked with is not in the language's surroundings: a frame has it. */
static const char FIND_FRAME[] = "(() => {\n"
                                 "  let found;\n"
                                 "  Error.prepareStackTrace = (error, frames) => (found = frames[0]);\n"
                                 "  new Error();\n"
                                 "  return found;\n"
                                 "})()";

static bool find_questions(struct author_stack *stack, JSContext *context) {
    static const char *const names[FRAME_QUESTIONS] = {
        [FRAME_FILE] = "getFileName",   [FRAME_FUNCTION] = "getFunctionName", [FRAME_CALLED] = "getFunction",
        [FRAME_LINE] = "getLineNumber", [FRAME_COLUMN] = "getColumnNumber",   [FRAME_IS_NATIVE] = "isNative",
    };
    JSValue frame = quickjs.JS_Eval(context, FIND_FRAME, sizeof FIND_FRAME - 1, "<input>", 0);
    bool found = frame.tag == JS_TAG_OBJECT;
    for (unsigned index = 0; index < FRAME_QUESTIONS && found; index++) {
        stack->questions[index] = quickjs.JS_GetPropertyStr(context, frame, names[index]);
        found = quickjs.JS_IsFunction(context, stack->questions[index]);
    }
    quickjs.JS_FreeValue(context, frame);
    return found;
}

/* Of a class of its own: to call it the engine needs none of the stack that a script has used up, as it would for one of
 * its functions in C. */
static JSValue made_callable(JSContext *context) {
    static const JSClassDef definition = {.class_name = "AuthorStack", .call = prepare};
    JSRuntime *runtime = quickjs.JS_GetRuntime(context);
    uint32_t class = 0;
    quickjs.JS_NewClassID(runtime, &class);
    if (quickjs.JS_NewClass(runtime, class, &definition) < 0) {
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    }
    return quickjs.JS_NewObjectClass(context, (int)class);
}

bool author_stack_open(struct author_stack *stack, JSContext *context, size_t stack_bytes) {
    *stack = (struct author_stack){.stack_bytes = stack_bytes};
    if (!find_questions(stack, context)) {
        return false;
    }
    JSValue callable = made_callable(context);
    JSValue realm = quickjs.JS_GetGlobalObject(context);
    JSValue error = quickjs.JS_GetPropertyStr(context, realm, "Error");
    /* The runtime hides the property; what was set stays in its place. */
    bool set =
        callable.tag == JS_TAG_OBJECT && quickjs.JS_SetPropertyStr(context, error, "prepareStackTrace", callable) >= 0;
    quickjs.JS_FreeValue(context, error);
    quickjs.JS_FreeValue(context, realm);
    return set;
}
