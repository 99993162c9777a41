#include "lookup/dns_message.h"

#include <gtest/gtest.h>

namespace blobd::lookup {
namespace {
TEST(DnsName, X) {}
}  // namespace
}  // namespace blobd::lookup
