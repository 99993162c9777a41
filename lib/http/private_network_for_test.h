// A network of the test program's own, made before its first test: a loopback device that also has
// the addresses 10.99.0.0/24, so that hosts that are not this machine can be played. Nothing that
// is sent leaves it.
#pragma once

#include <string>

namespace blobd::http {

// False where the machine does not allow it; tests that need it are skipped then.
bool HavePrivateNetwork();

inline const std::string kHostA = "10.99.0.1";
inline const std::string kHostB = "10.99.0.2";

#define BLOBD_NEEDS_PRIVATE_NETWORK() \
  if (!::blobd::http::HavePrivateNetwork()) GTEST_SKIP() << "no network namespaces here"

}  // namespace blobd::http
