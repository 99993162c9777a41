#include "client/store_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace blobd::client {
namespace {

namespace fs = std::filesystem;

const std::string kHash = "ab" + std::string(62, '1');

TEST(StoreFiles, NamesAndHashes) {
  EXPECT_EQ(StoreFileName(kHash), "ab/" + kHash + ".data");
  EXPECT_EQ(HashOfStoreFile("ab", kHash + ".data"), kHash);
  for (const std::string& name : {kHash, kHash + ".obao4", kHash + ".data.part", kHash + ".data~",
                                  "x" + kHash.substr(1) + ".data", kHash + "1.data", std::string(),
                                  "AB" + std::string(62, '1') + ".data"}) {
    EXPECT_FALSE(HashOfStoreFile("ab", name)) << name;
  }
  EXPECT_FALSE(HashOfStoreFile("ac", kHash + ".data"));
}

TEST(StoreFiles, AreFoundInAStateDirectoryAndInItsBlobs) {
  const fs::path root = fs::path(testing::TempDir()) / "store_files_test";
  fs::remove_all(root);
  const fs::path blobs = root / "blobs";
  fs::create_directories(blobs / "ab");
  fs::create_directories(root / "cd");  // not looked at, since there is a blobs/
  const std::string other = "ab" + std::string(62, '0');
  std::ofstream(blobs / StoreFileName(kHash)) << "x";
  std::ofstream(blobs / StoreFileName(other)) << "x";
  std::ofstream(blobs / "ab" / (kHash + ".obao4")) << "x";
  std::ofstream(root / "cd" / ("cd" + std::string(62, '0') + ".data")) << "x";
  fs::create_directories(root / "elsewhere" / "ef");
  std::ofstream(root / "elsewhere" / "ef" / ("ef" + std::string(62, '0') + ".data")) << "x";
  for (const fs::path& directory : {root, blobs}) {
    const auto files = FindStoreFiles(directory.string());
    ASSERT_TRUE(files.ok()) << files.status();
    EXPECT_EQ(files->hashes, (std::vector<std::string>{other, kHash}));
  }
  // A link out of the directory is not followed.
  fs::create_directory_symlink(root / "elsewhere" / "ef", blobs / "ef");
  EXPECT_EQ(FindStoreFiles(blobs.string())->hashes.size(), 2u);
  EXPECT_EQ(FindStoreFiles((root / "none").string()).status().code(), StatusCode::kInternal);
  fs::remove_all(root);
}

}  // namespace
}  // namespace blobd::client
