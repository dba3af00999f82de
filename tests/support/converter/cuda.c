/* Stands in for the driver's libcuda.so.1: two GPUs, or none if $STANDIN_CUDA_FAILS is set. */
#include <stddef.h>
#include <stdlib.h>

static int started;

int cuInit(unsigned flags) {
    if (getenv("STANDIN_CUDA_FAILS")) return 100; /* CUDA_ERROR_NO_DEVICE */
    started = 1;
    return 0;
}

int cuDeviceGetCount(int *count) { *count = 2; return started ? 0 : 3; /* CUDA_ERROR_NOT_INITIALIZED */ }

int cuDeviceGet(int *device, int ordinal) { *device = 7 + ordinal; return ordinal < 2 ? 0 : 101; }

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = (size_t)(device == 7 ? 80 : 24) << 30;
    return device == 7 || device == 8 ? 0 : 101; /* CUDA_ERROR_INVALID_DEVICE */
}
