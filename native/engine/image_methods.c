#include "engine_object.h"

/* A layer as Python holds it. */
#define LAYER "sandbox._engine.layer"

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

static void release_layer(PyObject *capsule) {
    layer_release(PyCapsule_GetPointer(capsule, LAYER));
}

PyObject *engine_use_method(PyObject *self, PyObject *given) {
    struct engine *engine = engine_in(self);
    if (!has_base(engine)) {
        return NULL;
    }
    struct layer *layer = given == Py_None ? NULL : PyCapsule_GetPointer(given, LAYER);
    if (layer == NULL && given != Py_None) {
        return NULL;
    }
    enum image_result result = images_use(engine->images, layer);
    if (result == IMAGE_OTHER_GROUND) {
        PyErr_SetString(PyExc_ValueError, "the layer is of another engine");
        return NULL;
    }
    return none_unless(result);
}

PyObject *engine_take_layer_method(PyObject *self, PyObject *owner) {
    struct engine *engine = engine_in(self);
    char *context;
    Py_ssize_t context_bytes;
    if (!has_base(engine) || PyBytes_AsStringAndSize(owner, &context, &context_bytes) < 0) {
        return NULL;
    }
    struct image_context whose = {.data = (const uint8_t *)context, .bytes = (size_t)context_bytes};
    struct layer *layer;
    enum image_result result = engine_take_layer(engine, whose, &layer);
    if (result == IMAGE_OTHER_GROUND) {
        PyErr_SetString(PyExc_ValueError, "a layer lies on one other at most");
        return NULL;
    }
    if (result != IMAGE_DONE) {
        return none_unless(result);
    }
    PyObject *capsule = PyCapsule_New(layer, LAYER, release_layer);
    if (capsule == NULL) {
        layer_release(layer);
        return NULL;
    }
    return Py_BuildValue("Nn", capsule, (Py_ssize_t)layer_bytes(layer));
}

PyObject *engine_begin_method(PyObject *self, PyObject *arguments) {
    struct engine *engine = engine_in(self);
    unsigned long long seed;
    double clock;
    const char *key = NULL;
    Py_ssize_t key_bytes = 0;
    if (!has_base(engine) || !PyArg_ParseTuple(arguments, "Kd|y#", &seed, &clock, &key, &key_bytes)) {
        return NULL;
    }
    struct random *random = &engine->realm->random;
    if (key_bytes != 0 && key_bytes != (Py_ssize_t)sizeof random->key) {
        PyErr_SetString(PyExc_ValueError, "a key of another length");
        return NULL;
    }
    images_begin(engine->images);
    engine_forget_run(engine);
    random_seed(random, seed);
    if (key_bytes != 0) {
        random->has_key = true;
        memcpy(random->key, key, sizeof random->key);
    }
    clock_begin(&engine->realm->clock, clock);
    random->moment = (uint32_t)(engine->realm->clock.now / CLOCK_MILLISECOND);
    Py_RETURN_NONE;
}

PyObject *engine_put_method(PyObject *self, PyObject *arguments) {
    struct engine *engine = engine_in(self);
    Py_buffer image;
    const char *context;
    Py_ssize_t context_bytes;
    if (!has_base(engine) || !PyArg_ParseTuple(arguments, "y*y#", &image, &context, &context_bytes)) {
        return NULL;
    }
    struct image_context whose = {.data = (const uint8_t *)context, .bytes = (size_t)context_bytes};
    enum image_result result = images_put(engine->images, image.buf, (size_t)image.len, whose);
    PyBuffer_Release(&image);
    engine_forget_run(engine);
    return none_unless(result);
}

PyObject *engine_set_clock_method(PyObject *self, PyObject *milliseconds) {
    double clock = PyFloat_AsDouble(milliseconds);
    if (clock == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    engine_set_clock(engine_in(self), clock);
    Py_RETURN_NONE;
}

PyObject *engine_take_out_method(PyObject *self, PyObject *size) {
    struct engine *engine = engine_in(self);
    Py_ssize_t most = PyLong_AsSsize_t(size);
    if ((most == -1 && PyErr_Occurred()) || !has_base(engine)) {
        return NULL;
    }
    size_t bytes;
    enum image_result result = engine_take(engine, most < 0 ? 0 : (size_t)most, &bytes);
    if (result == IMAGE_TOO_LARGE) {
        Py_RETURN_NONE;
    }
    return result == IMAGE_DONE ? PyLong_FromSize_t(bytes) : none_unless(result);
}

PyObject *engine_write_method(PyObject *self, PyObject *arguments) {
    struct engine *engine = engine_in(self);
    Py_buffer into;
    const char *context;
    Py_ssize_t context_bytes;
    if (!has_base(engine) || !PyArg_ParseTuple(arguments, "w*y#", &into, &context, &context_bytes)) {
        return NULL;
    }
    bool fits = (size_t)into.len == images_taken_bytes(engine->images);
    if (fits) {
        struct image_context whose = {.data = (const uint8_t *)context, .bytes = (size_t)context_bytes};
        images_write(engine->images, whose, into.buf);
    } else {
        PyErr_SetString(PyExc_ValueError, "the place is not as large as the image that was taken last");
    }
    PyBuffer_Release(&into);
    return fits ? Py_NewRef(Py_None) : NULL;
}
