/* Who uses a loaded version of a model is counted. Must not know what becomes of it in the end. */
#include "model/run/instance.h"

struct mlaas_instance *mlaas_instance_get(struct mlaas_instance *instance) {
  __atomic_add_fetch(&instance->count, 1, __ATOMIC_RELAXED);
  return instance;
}

void mlaas_instance_put(struct mlaas_instance *instance) {
  if (instance && __atomic_sub_fetch(&instance->count, 1, __ATOMIC_ACQ_REL) == 0)
    instance->unused(instance);
}
