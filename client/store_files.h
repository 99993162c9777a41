// A directory of complete blobs as files: HH/HASH.data, where HH is the first byte of the hash.
// That is how blobd keeps large blobs in its state directory, and how export-store writes all of
// them for sites without network. Names and links in such a directory come from strangers: nothing
// is followed out of it.
//
// Thread: any.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "client/descriptor.h"

namespace blobd::client {

// "ab/ab...cd.data" for a hash in hex.
std::string StoreFileName(const std::string& hash);
// The hash of such a name; nullopt for any other.
std::optional<std::string> HashOfStoreFile(const std::string& directory, const std::string& name);

struct StoreFiles {
  Descriptor root;                  // the directory that holds them
  std::vector<std::string> hashes;  // of the files there, in order
};
// Looks in `path`, or in `path`/blobs if there is one: a whole state directory will do.
StatusOr<StoreFiles> FindStoreFiles(const std::string& path);

}  // namespace blobd::client
