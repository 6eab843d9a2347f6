/* An engine as an object of Python's. */
#ifndef ENGINE_ENGINE_OBJECT_H
#define ENGINE_ENGINE_OBJECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "engine.h"

/* The heap has the address of `engine`: processes that share images have this object at the same one. */
struct engine_object {
    PyObject_HEAD struct engine engine;
};

static inline struct engine *engine_in(PyObject *self) {
    return &((struct engine_object *)self)->engine;
}

/* The methods of image_methods.c, which are the engine's as well. */
PyObject *engine_make_base_method(PyObject *self, PyObject *key);
PyObject *engine_use_method(PyObject *self, PyObject *layer);
PyObject *engine_take_layer_method(PyObject *self, PyObject *owner);
PyObject *engine_begin_method(PyObject *self, PyObject *arguments);
PyObject *engine_put_method(PyObject *self, PyObject *arguments);
PyObject *engine_set_clock_method(PyObject *self, PyObject *milliseconds);
PyObject *engine_take_out_method(PyObject *self, PyObject *size);
PyObject *engine_write_method(PyObject *self, PyObject *arguments);

#endif
