#include "rpc/group.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace blobd::rpc {
namespace {

TEST(Group, IsFoundByItsName) {
  const auto root = FindGroup("root");
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(*root, 0u);
  EXPECT_EQ(FindGroup("no such group").status().code(), StatusCode::kNotFound);
}

TEST(Group, MayHaveVeryManyMembers) {
  const auto look = [](const char*, group* entry, char*, size_t size, group** found) {
    if (size < 1'000'000) return ERANGE;
    entry->gr_gid = 7;
    *found = entry;
    return 0;
  };
  const auto gid = FindGroup("large", look);
  ASSERT_TRUE(gid.ok()) << gid.status();
  EXPECT_EQ(*gid, 7u);
}

TEST(Group, WhatCannotBeLookedUpIsNotSaidToBeMissing) {
  for (const int error : {EIO, EMFILE, ERANGE}) {
    const auto look = [error](const char*, group*, char*, size_t, group**) { return error; };
    EXPECT_EQ(FindGroup("g", look).status().code(), StatusCode::kUnavailable);
  }
  bool interrupted = false;
  const auto look = [&](const char*, group*, char*, size_t, group**) {
    return std::exchange(interrupted, true) ? 0 : EINTR;
  };
  EXPECT_EQ(FindGroup("g", look).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace blobd::rpc
