// Fills the table of the instruction set that this file is compiled for.
#include "table.h"

#define FATHOM_JOIN2(a, b) a##b
#define FATHOM_JOIN(a, b) FATHOM_JOIN2(a, b)

namespace fathom {

const KernelTable* FATHOM_JOIN(kernel_table_, FATHOM_ISA)() {
  static const KernelTable table = {
#define KERNEL(name, js) &FATHOM_ISA::name,
#include "kernels.def"
#undef KERNEL
  };
  return &table;
}

}  // namespace fathom
