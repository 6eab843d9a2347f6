/* sidecar._result_check: the check on the bytes of a Class 4 result and of a switch's routing. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

#include "result.h"
#include "routing.h"

static PyObject *nothing(void) {
    Py_RETURN_NONE;
}

static PyObject *text_object(struct text text) {
    return PyUnicode_DecodeUTF8(text.at, (Py_ssize_t)text.length, NULL);
}

static PyObject *number_object(const struct number *number) {
    switch (number->head.kind) {
    case MESSAGEPACK_TEXT:
        return text_object(number->text);
    case MESSAGEPACK_NATURAL:
        return PyLong_FromUnsignedLongLong(number->head.natural);
    case MESSAGEPACK_NEGATIVE:
        return PyLong_FromLongLong(number->head.negative);
    default:
        return nothing();
    }
}

static PyObject *bytes_object(struct text bytes) {
    return bytes.length == 0 ? nothing() : PyBytes_FromStringAndSize(bytes.at, (Py_ssize_t)bytes.length);
}

static PyObject *list_of_texts(const struct text *texts, unsigned count) {
    PyObject *list = PyList_New(count);
    for (unsigned index = 0; list != NULL && index < count; index++) {
        PyObject *text = text_object(texts[index]);
        if (text == NULL || PyList_SetItem(list, index, text) != 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *list_of_headers(const struct added_header *headers, unsigned count) {
    PyObject *list = PyList_New(count);
    for (unsigned index = 0; list != NULL && index < count; index++) {
        const struct added_header *header = &headers[index];
        PyObject *pair = Py_BuildValue("(s#s#)", header->name.at, (Py_ssize_t)header->name.length, header->value.at,
                                       (Py_ssize_t)header->value.length);
        if (pair == NULL || PyList_SetItem(list, index, pair) != 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *look(PyObject *module, PyObject *argument) {
    (void)module;
    Py_buffer bytes;
    if (PyObject_GetBuffer(argument, &bytes, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    struct routing routing;
    PyObject *seen = check_given(bytes.buf, (size_t)bytes.len, &routing)
                         ? Py_BuildValue("(kNNNN)", (unsigned long)routing.destinations, PyBool_FromLong(routing.wide),
                                         PyBool_FromLong(routing.changes), number_object(&routing.cli),
                                         number_object(&routing.dest_number))
                         : nothing();
    PyBuffer_Release(&bytes);
    return seen;
}

static PyObject *outline(PyObject *module, PyObject *argument) {
    (void)module;
    Py_buffer bytes;
    if (PyObject_GetBuffer(argument, &bytes, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    struct outline found;
    PyObject *told =
        outline_routing(bytes.buf, (size_t)bytes.len, &found)
            ? Py_BuildValue("(NNkNONN)", number_object(&found.cli), number_object(&found.dest_number),
                            (unsigned long)found.destinations, list_of_texts(found.gateways, found.gateway_count),
                            found.first_has_gateway ? Py_True : Py_False, bytes_object(found.added),
                            bytes_object(found.removed))
            : nothing();
    PyBuffer_Release(&bytes);
    return told;
}

/* The text of an argument; none, which is of no length, of any that is no text. False where Python has an error. */
static bool given_text(PyObject *argument, struct text *text) {
    *text = (struct text){"", 0};
    if (!PyUnicode_Check(argument)) {
        return true;
    }
    Py_ssize_t length;
    const char *at = PyUnicode_AsUTF8AndSize(argument, &length);
    if (at == NULL) {
        return false;
    }
    if ((size_t)length <= UINT32_MAX) {
        *text = (struct text){at, (uint32_t)length};
    }
    return true;
}

static PyObject *check(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer bytes;
    PyObject *cli, *dest_number;
    if (!PyArg_ParseTuple(arguments, "y*OO:check", &bytes, &cli, &dest_number)) {
        return NULL;
    }
    PyObject *sound = NULL;
    struct given_numbers given;
    struct result *result = malloc(sizeof *result);
    if (result == NULL) {
        PyErr_NoMemory();
    } else if (given_text(cli, &given.cli) && given_text(dest_number, &given.dest_number)) {
        if (!check_result(bytes.buf, (size_t)bytes.len, &given, result)) {
            sound = nothing();
        } else if (result->routing.out_of_memory) {
            PyErr_NoMemory();
        } else {
            sound = Py_BuildValue("(y#NN)", (const char *)result->routing.bytes, (Py_ssize_t)result->routing.length,
                                  list_of_headers(result->added, result->added_count),
                                  list_of_texts(result->removed, result->removed_count));
        }
        end_output(&result->routing);
    }
    free(result);
    PyBuffer_Release(&bytes);
    return sound;
}

static PyObject *count(PyObject *module, PyObject *argument) {
    (void)module;
    Py_buffer bytes;
    if (PyObject_GetBuffer(argument, &bytes, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    uint64_t values;
    bool whole = count_values(bytes.buf, (size_t)bytes.len, &values);
    PyBuffer_Release(&bytes);
    if (!whole) {
        PyErr_SetString(PyExc_ValueError, "these bytes are no MessagePack value");
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(values);
}

static PyMethodDef methods[] = {
    {"look", look, METH_O, "Whether a switch's routing is plainly right, and what of it is to be known."},
    {"outline", outline, METH_O, "What a record has of a routing."},
    {"check", check, METH_VARARGS, "Check a script's result, and write it as the switch is told it."},
    {"count", count, METH_O, "The values in MessagePack: elements of arrays and pairs of maps."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sidecar._result_check",
    .m_doc = "The check on the bytes of a Class 4 result and of a switch's routing.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__result_check(void) {
    return PyModuleDef_Init(&definition);
}
