#include "base/vectors_for_test.h"

namespace blobd {

std::string VectorsFolder() { return BLOBD_VECTORS; }

}  // namespace blobd
