#include "engine_object.h"

#include <stdlib.h>

#include "messagepack.h"
#include "object.h"

static PyObject *bytes_of_output(const struct output *output) {
    return PyBytes_FromStringAndSize((const char *)output->bytes, (Py_ssize_t)output->length);
}

/* ---- life ---- */

/* The function names in a tuple, which keeps them. */
static bool read_names(PyObject *tuple, const char **names, unsigned *count) {
    Py_ssize_t length = PyTuple_Size(tuple);
    if (length < 0) {
        return false;
    }
    if (length > FUNCTIONS_MOST) {
        PyErr_Format(PyExc_ValueError, "more than %d functions", FUNCTIONS_MOST);
        return false;
    }
    for (Py_ssize_t index = 0; index < length; index++) {
        names[index] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(tuple, index), NULL);
        if (names[index] == NULL) {
            return false;
        }
    }
    *count = (unsigned)length;
    return true;
}

static PyObject *engine_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *parameters[] = {
        "code", "functions", "room_bytes", "stack_bytes", "library_address", "library_bytes", NULL,
    };
    const char *code;
    Py_ssize_t code_bytes;
    PyObject *functions;
    Py_ssize_t room_bytes;
    Py_ssize_t stack_bytes;
    Py_ssize_t library = 0;
    Py_ssize_t library_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y#O!nn|nn", parameters, &code, &code_bytes, &PyTuple_Type,
                                     &functions, &room_bytes, &stack_bytes, &library, &library_bytes)) {
        return NULL;
    }
    const char *names[FUNCTIONS_MOST];
    unsigned count;
    if (!read_names(functions, names, &count)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    if (!engine_open(engine_in(self), (size_t)room_bytes, (size_t)stack_bytes, (const uint8_t *)code,
                     (size_t)code_bytes, names, count, (const uint8_t *)library, (size_t)library_bytes)) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return self;
}

static void engine_deallocate(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    engine_close(engine_in(self));
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- calls ---- */

static bool read_function(struct engine *engine, PyObject *number, unsigned *function) {
    long index = PyLong_AsLong(number);
    if (index == -1 && PyErr_Occurred()) {
        return false;
    }
    if (index < 0 || (unsigned long)index >= engine->realm->function_count) {
        PyErr_Format(PyExc_IndexError, "there is no function %ld", index);
        return false;
    }
    *function = (unsigned)index;
    return true;
}

/* Text is given as UTF-8, which half of a surrogate pair cannot be: it arrives as a question mark. `held` keeps it. */
static bool read_text(PyObject *text, struct argument *argument, PyObject **held) {
    Py_ssize_t length;
    *held = NULL;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (bytes == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return false;
        }
        PyErr_Clear();
        *held = PyUnicode_AsEncodedString(text, "utf-8", "replace");
        if (*held == NULL) {
            return false;
        }
        bytes = PyBytes_AsString(*held);
        length = PyBytes_Size(*held);
    }
    *argument = (struct argument){.kind = ARGUMENT_TEXT, .text = bytes, .length = (size_t)length};
    return true;
}

static bool read_argument(PyObject *object, struct argument *argument, PyObject **held) {
    if (PyUnicode_Check(object)) {
        return read_text(object, argument, held);
    }
    *argument = (struct argument){
        .kind = PyBool_Check(object) ? ARGUMENT_BOOLEAN : ARGUMENT_NUMBER,
        .number = PyFloat_AsDouble(object),
    };
    return argument->number != -1.0 || !PyErr_Occurred();
}

/* What came of a call: a tag and whether there are console lines (1) and host calls (2), and what belongs to it. */
static PyObject *status_of(struct engine *engine) {
    bool ended_well = engine->tag == 'R' || engine->tag == 'W' || engine->tag == 'E';
    /* Of a run that broke a bound nothing more is asked of the host. */
    int flags = (engine->lines.count > 0) + (ended_well && engine->calls.count > 0 ? 2 : 0);
    char head[] = {engine->tag, (char)('0' + flags)};
    struct output *said = engine->tag == 'R' ? &engine->result : &engine->text;
    const char *bytes = said->length > 0 ? (const char *)said->bytes : "";
    PyObject *status = Py_BuildValue("s#y#", head, (Py_ssize_t)2, bytes, (Py_ssize_t)said->length);
    output_clear(said);
    return status;
}

static PyObject *engine_call_method(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    struct engine *engine = engine_in(self);
    unsigned function;
    if (count < 1 || count > 1 + ARGUMENTS_MOST) {
        PyErr_Format(PyExc_TypeError, "a function and at most %d arguments are needed", ARGUMENTS_MOST);
        return NULL;
    }
    if (!read_function(engine, given[0], &function)) {
        return NULL;
    }
    struct argument arguments[ARGUMENTS_MOST];
    PyObject *held[ARGUMENTS_MOST];
    unsigned read = 0;
    const char *input = NULL;
    Py_ssize_t input_bytes = 0;
    bool valid = true;
    for (Py_ssize_t index = 1; index < count && valid; index++) {
        if (PyBytes_Check(given[index])) {
            valid = PyBytes_AsStringAndSize(given[index], (char **)&input, &input_bytes) == 0;
        } else {
            held[read] = NULL;
            valid = read_argument(given[index], &arguments[read], &held[read]);
            read++;
        }
    }
    PyObject *status = NULL;
    if (valid) {
        engine_call(engine, function, arguments, read, (const uint8_t *)input, (size_t)input_bytes);
        status = status_of(engine);
    }
    for (unsigned index = 0; index < read; index++) {
        Py_XDECREF(held[index]);
    }
    return status;
}

static PyObject *engine_hand_method(PyObject *self, PyObject *arguments) {
    PyObject *number;
    const char *code;
    Py_ssize_t code_bytes;
    unsigned function;
    if (!PyArg_ParseTuple(arguments, "Oy#", &number, &code, &code_bytes) ||
        !read_function(engine_in(self), number, &function)) {
        return NULL;
    }
    struct engine *engine = engine_in(self);
    if (engine_hand(engine, function, (const uint8_t *)code, (size_t)code_bytes)) {
        Py_RETURN_NONE;
    }
    if (engine->tag == 'M') {
        return PyErr_NoMemory();
    }
    PyObject *message =
        PyUnicode_DecodeUTF8((const char *)engine->text.bytes, (Py_ssize_t)engine->text.length, "replace");
    if (message != NULL) {
        PyErr_SetObject(PyExc_ValueError, message);
        Py_DECREF(message);
    }
    return NULL;
}

static PyObject *engine_run_jobs_method(PyObject *self, PyObject *arguments) {
    unsigned int most;
    PyObject *number;
    unsigned failed;
    if (!PyArg_ParseTuple(arguments, "IO", &most, &number) || !read_function(engine_in(self), number, &failed)) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(engine_run_jobs(engine_in(self), most, failed));
}

static PyObject *engine_keep_package(PyObject *self, PyObject *arguments) {
    const char *key;
    const char *text;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(arguments, "ss#", &key, &text, &length)) {
        return NULL;
    }
    if (!packages_keep(&engine_in(self)->packages, key, text, (size_t)length)) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

/* ---- what has come out ---- */

static PyObject *take_list(struct list *list) {
    uint8_t head[MESSAGEPACK_HEAD_BYTES];
    size_t head_bytes = (size_t)(messagepack_write_array_head(head, list->count) - head);
    size_t length = list->elements.length;
    PyObject *taken = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(head_bytes + length));
    if (taken == NULL) {
        return NULL;
    }
    char *bytes = PyBytes_AsString(taken);
    memcpy(bytes, head, head_bytes);
    if (length > 0) {
        memcpy(bytes + head_bytes, list->elements.bytes, length);
    }
    list->count = 0;
    output_clear(&list->elements);
    return taken;
}

static PyObject *engine_take_lines(PyObject *self, PyObject *unused) {
    (void)unused;
    return take_list(&engine_in(self)->lines);
}

static PyObject *engine_take_calls(PyObject *self, PyObject *unused) {
    (void)unused;
    return take_list(&engine_in(self)->calls);
}

static PyObject *engine_take_rejections(PyObject *self, PyObject *number) {
    struct engine *engine = engine_in(self);
    unsigned function;
    if (!read_function(engine, number, &function)) {
        return NULL;
    }
    PyObject *taken = PyList_New(0);
    for (unsigned place = 0; place < REJECTIONS_MOST && taken != NULL; place++) {
        if (!engine_tell_rejection(engine, place, function)) {
            continue;
        }
        PyObject *said = bytes_of_output(&engine->text);
        if (said == NULL || PyList_Append(taken, said) < 0) {
            Py_CLEAR(taken);
        }
        Py_XDECREF(said);
    }
    return taken;
}

/* ---- limits ---- */

static PyObject *engine_limit_time_method(PyObject *self, PyObject *arguments) {
    double seconds, wall_seconds = Py_HUGE_VAL;
    if (!PyArg_ParseTuple(arguments, "d|d", &seconds, &wall_seconds)) {
        return NULL;
    }
    engine_limit_time(engine_in(self), seconds, wall_seconds);
    Py_RETURN_NONE;
}

static PyObject *engine_limit_memory_method(PyObject *self, PyObject *bytes) {
    size_t limit = PyLong_AsSize_t(bytes);
    if (limit == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    engine_limit_memory(engine_in(self), limit);
    Py_RETURN_NONE;
}

static PyObject *engine_memory(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromSize_t(arena_extent(engine_in(self)->arena));
}

static PyObject *engine_pages_closed(PyObject *self, void *closure) {
    (void)closure;
    struct engine *engine = engine_in(self);
    return PyLong_FromSize_t(engine->images == NULL ? 0 : images_pages_closed(engine->images));
}

static PyObject *engine_idle(PyObject *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(!engine_has_jobs(engine_in(self)));
}

static PyObject *engine_unheard(PyObject *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(rejections_any(&engine_in(self)->realm->rejections));
}

static PyMethodDef methods[] = {
    {"call", (PyCFunction)(void (*)(void))engine_call_method, METH_FASTCALL, NULL},
    {"hand", engine_hand_method, METH_VARARGS, NULL},
    {"keep_package", engine_keep_package, METH_VARARGS, NULL},
    {"run_jobs", engine_run_jobs_method, METH_VARARGS, NULL},
    {"take_lines", engine_take_lines, METH_NOARGS, NULL},
    {"take_calls", engine_take_calls, METH_NOARGS, NULL},
    {"take_rejections", engine_take_rejections, METH_O, NULL},
    {"make_base", engine_make_base_method, METH_O, NULL},
    {"use", engine_use_method, METH_O, NULL},
    {"take_layer", engine_take_layer_method, METH_O, NULL},
    {"begin", engine_begin_method, METH_VARARGS, NULL},
    {"put", engine_put_method, METH_VARARGS, NULL},
    {"set_clock", engine_set_clock_method, METH_O, NULL},
    {"take_out", engine_take_out_method, METH_O, NULL},
    {"write", engine_write_method, METH_VARARGS, NULL},
    {"limit_time", engine_limit_time_method, METH_VARARGS, NULL},
    {"limit_memory", engine_limit_memory_method, METH_O, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    {"memory", engine_memory, NULL, NULL, NULL},
    {"pages_closed", engine_pages_closed, NULL, NULL, NULL},
    {"idle", engine_idle, NULL, NULL, NULL},
    {"unheard", engine_unheard, NULL, NULL, NULL},
    {0},
};

static PyType_Slot engine_slots[] = {
    {Py_tp_doc, "One JavaScript engine; sandbox/_engine.pyi says what each method does."},
    {Py_tp_new, engine_new},
    {Py_tp_dealloc, engine_deallocate},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyType_Spec engine_type = {
    .name = "sandbox._engine.Engine",
    .basicsize = sizeof(struct engine_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = engine_slots,
};
