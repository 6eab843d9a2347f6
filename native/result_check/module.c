/* sidecar._result_check: the check on the bytes of a Class 4 result and of a switch's routing. */
#include <Python.h>

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sidecar._result_check",
    .m_doc = "The check on the bytes of a Class 4 result and of a switch's routing.",
};

PyMODINIT_FUNC PyInit__result_check(void) {
    return PyModuleDef_Init(&definition);
}
