// The kernels of one instruction set as a struct of function pointers, so that the choice is made once, at run time.
#pragma once
#include "kernels.h"

namespace fathom {

struct KernelTable {
#define KERNEL(name, js) decltype(&FATHOM_ISA::name) name;
#include "kernels.def"
#undef KERNEL
};

const KernelTable* kernel_table_portable();
#if defined(__x86_64__)
const KernelTable* kernel_table_avx2();
const KernelTable* kernel_table_avx512();
const KernelTable* kernel_table_avx512bf16();
#endif

}  // namespace fathom
