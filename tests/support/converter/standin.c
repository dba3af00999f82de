/* Takes TensorRT's place where there is none: says that it is version 8.5.3 and can do nothing.

   TensorFlow 2.14 opens libnvinfer.so.8 and libnvinfer_plugin.so.8 by name and looks these functions up in them. With
   them its conversion of a graph runs from beginning to end on any machine; no builder means that no engine can be built. */

int getInferLibVersion(void) { return 8503; }

void *createInferBuilder_INTERNAL(void *logger, int version) { return 0; }

void *createInferRuntime_INTERNAL(void *logger, int version) { return 0; }

void *createInferRefitter_INTERNAL(void *engine, void *logger, int version) { return 0; }

void *getPluginRegistry(void) { return 0; }

_Bool initLibNvInferPlugins(void *logger, const char *namespace) { return 1; }
