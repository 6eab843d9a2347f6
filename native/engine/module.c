/* sandbox._engine: the JavaScript engine as sandbox uses it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "bytecode.h"
#include "library.h"
#include "object.h"

/* Room for the path of a library in a message. */
#define MESSAGE_BYTES 8192

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
    PyObject *type = PyType_FromModuleAndSpec(module, &engine_type, NULL);
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
