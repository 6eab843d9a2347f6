/* sandbox._engine: the JavaScript engine as sandbox uses it. */
#include <Python.h>

#include "library.h"

/* Room for the path of a library in a message. */
#define MESSAGE_BYTES 8192

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
    return PyModule_AddStringConstant(module, "VERSION", quickjs.JS_GetVersion());
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sandbox._engine",
    .m_doc = "The JavaScript engine as sandbox uses it.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__engine(void) {
    return PyModuleDef_Init(&definition);
}
