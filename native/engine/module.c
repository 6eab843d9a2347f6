/* sandbox._engine: the JavaScript engine as sandbox uses it. No script reaches Python: what is called is engine.h's, with
 * text, numbers and MessagePack, and no object of Python's is kept. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "bytecode.h"
#include "engine.h"
#include "messagepack.h"

/* Room for the path of a library in a message. */
#define MESSAGE_BYTES 8192

struct engine_object {
    PyObject_HEAD struct engine engine;
};

static struct engine *engine_in(PyObject *self) {
    return &((struct engine_object *)self)->engine;
}

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
    static char *parameters[] = {"code", "functions", "stack_bytes", "library_address", "library_bytes", NULL};
    const char *code;
    Py_ssize_t code_bytes;
    PyObject *functions;
    Py_ssize_t stack_bytes;
    Py_ssize_t library = 0;
    Py_ssize_t library_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y#O!n|nn", parameters, &code, &code_bytes, &PyTuple_Type,
                                     &functions, &stack_bytes, &library, &library_bytes)) {
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
    if (!engine_open(engine_in(self), (size_t)stack_bytes, (const uint8_t *)code, (size_t)code_bytes, names, count,
                     (const uint8_t *)library, (size_t)library_bytes)) {
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

static PyObject *engine_run_jobs_method(PyObject *self, PyObject *number) {
    unsigned long most = PyLong_AsUnsignedLong(number);
    if (most == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(engine_run_jobs(engine_in(self), most < UINT32_MAX ? (unsigned)most : UINT32_MAX));
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

static PyObject *engine_limit_time_method(PyObject *self, PyObject *seconds) {
    double limit = PyFloat_AsDouble(seconds);
    if (limit == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    engine_limit_time(engine_in(self), limit);
    Py_RETURN_NONE;
}

static PyObject *engine_limit_memory(PyObject *self, PyObject *bytes) {
    size_t limit = PyLong_AsSize_t(bytes);
    if (limit == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    engine_in(self)->allocator.most = limit;
    Py_RETURN_NONE;
}

static PyObject *engine_memory(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromSize_t(engine_in(self)->allocator.used);
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
    {"run_jobs", engine_run_jobs_method, METH_O, NULL},
    {"take_lines", engine_take_lines, METH_NOARGS, NULL},
    {"take_calls", engine_take_calls, METH_NOARGS, NULL},
    {"take_rejections", engine_take_rejections, METH_O, NULL},
    {"limit_time", engine_limit_time_method, METH_O, NULL},
    {"limit_memory", engine_limit_memory, METH_O, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    {"memory", engine_memory, NULL, NULL, NULL},
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

static PyType_Spec engine_spec = {
    .name = "sandbox._engine.Engine",
    .basicsize = sizeof(struct engine_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = engine_slots,
};

/* ---- the module ---- */

static PyObject *compile(PyObject *module, PyObject *text) {
    (void)module;
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (bytes == NULL) {
        return NULL;
    }
    size_t code_bytes;
    char message[MESSAGE_BYTES];
    uint8_t *code = bytecode_compile(bytes, (size_t)length, &code_bytes, message, sizeof message);
    if (code == NULL) {
        PyErr_SetString(PyExc_ValueError, message);
        return NULL;
    }
    PyObject *compiled = PyBytes_FromStringAndSize((const char *)code, (Py_ssize_t)code_bytes);
    free(code);
    return compiled;
}

static PyMethodDef functions[] = {
    {"compile", compile, METH_O, NULL},
    {0},
};

/* The path of the library of the wheel quickjs-ng, as bytes; NULL with an error set. The binding in it is not imported:
 * only the engine's own functions are used. */
static PyObject *library_path(void) {
    PyObject *util = PyImport_ImportModule("importlib.util");
    if (util == NULL) {
        return NULL;
    }
    PyObject *spec = PyObject_CallMethod(util, "find_spec", "s", "_quickjs");
    Py_DECREF(util);
    if (spec == NULL) {
        return NULL;
    }
    if (spec == Py_None) {
        Py_DECREF(spec);
        PyErr_SetString(PyExc_ImportError, "the JavaScript engine is not installed: pip install quickjs-ng");
        return NULL;
    }
    PyObject *origin = PyObject_GetAttrString(spec, "origin");
    Py_DECREF(spec);
    if (origin == NULL) {
        return NULL;
    }
    PyObject *path = PyUnicode_EncodeFSDefault(origin);
    Py_DECREF(origin);
    return path;
}

static int execute(PyObject *module) {
    PyObject *path = library_path();
    if (path == NULL) {
        return -1;
    }
    char message[MESSAGE_BYTES];
    const char *text = PyBytes_AsString(path);
    bool loaded = text != NULL && engine_library_load(text, message, sizeof message);
    if (text != NULL && !loaded) {
        PyErr_SetString(PyExc_ImportError, message);
    }
    Py_DECREF(path);
    if (!loaded) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &engine_spec, NULL);
    int added = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return added < 0 ? -1 : PyModule_AddStringConstant(module, "VERSION", quickjs.JS_GetVersion());
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sandbox._engine",
    .m_doc = "The JavaScript engine as sandbox uses it.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__engine(void) {
    return PyModuleDef_Init(&definition);
}
