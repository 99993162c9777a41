// Where the captured exchanges of protocol/vectors lie. For tests only; every blobd_test() links
// it. Threads: any.
#pragma once

#include <string>

namespace blobd {

// The folder, without a slash at its end. It is compiled into one file alone, so that what tests
// are compiled to does not depend on where the checkout lies.
std::string VectorsFolder();

}  // namespace blobd
