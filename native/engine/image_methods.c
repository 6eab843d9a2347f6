#include "engine_object.h"

/* Whether the engine has a base; an error of Python's is set where it has none. */
static bool has_base(struct engine *engine) {
    if (engine->images == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the engine has no base");
        return false;
    }
    return true;
}

static PyObject *none_unless(enum image_result result) {
    switch (result) {
    case IMAGE_DONE:
        Py_RETURN_NONE;
    case IMAGE_NO_MEMORY:
        return PyErr_NoMemory();
    case IMAGE_OTHER_GROUND:
        PyErr_SetString(PyExc_ValueError, "the image is of another program");
        return NULL;
    case IMAGE_BROKEN_SEAL:
        PyErr_SetString(PyExc_ValueError, "the image is damaged or another's");
        return NULL;
    default:
        PyErr_SetString(PyExc_ValueError, "the image is malformed");
        return NULL;
    }
}

PyObject *engine_make_base_method(PyObject *self, PyObject *key) {
    struct engine *engine = engine_in(self);
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(key, &bytes, &length) < 0) {
        return NULL;
    }
    if (length != SEAL_KEY_BYTES || engine->images != NULL) {
        PyErr_Format(PyExc_ValueError, "a base is made once, with a key of %d bytes", SEAL_KEY_BYTES);
        return NULL;
    }
    return engine_make_base(engine, (const uint8_t *)bytes) ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

PyObject *engine_use_base_method(PyObject *self, PyObject *unused) {
    (void)unused;
    struct engine *engine = engine_in(self);
    if (!has_base(engine)) {
        return NULL;
    }
    images_use_base(engine->images);
    Py_RETURN_NONE;
}

PyObject *engine_lay_method(PyObject *self, PyObject *arguments) {
    struct engine *engine = engine_in(self);
    const char *image, *context;
    Py_ssize_t bytes, context_bytes;
    if (!has_base(engine) || !PyArg_ParseTuple(arguments, "y#y#", &image, &bytes, &context, &context_bytes)) {
        return NULL;
    }
    struct image_context whose = {.data = (const uint8_t *)context, .bytes = (size_t)context_bytes};
    return none_unless(images_lay(engine->images, (const uint8_t *)image, (size_t)bytes, whose));
}

PyObject *engine_begin_method(PyObject *self, PyObject *arguments) {
    struct engine *engine = engine_in(self);
    unsigned long long seed;
    double clock;
    if (!has_base(engine) || !PyArg_ParseTuple(arguments, "Kd", &seed, &clock)) {
        return NULL;
    }
    images_begin(engine->images);
    engine_forget_run(engine);
    random_seed(&engine->realm->random, seed);
    clock_begin(&engine->realm->clock, clock);
    Py_RETURN_NONE;
}

PyObject *engine_put_method(PyObject *self, PyObject *arguments) {
    struct engine *engine = engine_in(self);
    const char *image, *context;
    Py_ssize_t bytes, context_bytes;
    if (!has_base(engine) || !PyArg_ParseTuple(arguments, "y#y#", &image, &bytes, &context, &context_bytes)) {
        return NULL;
    }
    struct image_context whose = {.data = (const uint8_t *)context, .bytes = (size_t)context_bytes};
    enum image_result result = images_put(engine->images, (const uint8_t *)image, (size_t)bytes, whose);
    engine_forget_run(engine);
    return none_unless(result);
}

PyObject *engine_set_clock_method(PyObject *self, PyObject *milliseconds) {
    double clock = PyFloat_AsDouble(milliseconds);
    if (clock == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    clock_set(&engine_in(self)->realm->clock, clock);
    Py_RETURN_NONE;
}

PyObject *engine_take_method(PyObject *self, PyObject *arguments) {
    struct engine *engine = engine_in(self);
    Py_ssize_t most, context_bytes;
    const char *context;
    if (!has_base(engine) || !PyArg_ParseTuple(arguments, "ny#", &most, &context, &context_bytes)) {
        return NULL;
    }
    size_t bytes;
    enum image_result result = images_take(engine->images, most < 0 ? 0 : (size_t)most, &bytes);
    if (result == IMAGE_TOO_LARGE) {
        Py_RETURN_NONE;
    }
    PyObject *image = result == IMAGE_DONE ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes) : none_unless(result);
    if (image != NULL) {
        struct image_context whose = {.data = (const uint8_t *)context, .bytes = (size_t)context_bytes};
        images_write(engine->images, whose, (uint8_t *)PyBytes_AsString(image));
    }
    return image;
}
