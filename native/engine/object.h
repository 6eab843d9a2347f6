/* The engine as an object of Python's. No script reaches Python: what is called is engine.h's, with text, numbers and
 * MessagePack, and no object of Python's is kept. */
#ifndef ENGINE_OBJECT_H
#define ENGINE_OBJECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* sandbox._engine.Engine. Python takes its specification without const. */
extern PyType_Spec engine_type;

#endif
