// Where things are in the state directory. Every path is built from a hash or a number of ours,
// never from what a database row or a peer says.
//
//   store.db                      index, small blobs, maps of partial blobs
//   store.db.damaged-N            what it was when it was found damaged (rebuild.h)
//   store.db.rebuilding-N         it is being made anew (move_aside.h)
//   blobs/HH/HASH.data .obao4     complete blobs, and those that were until groups were withdrawn;
//                                 HH is the first byte of the hash
//   partial/HASH.data .obao4      blobs on their way in, sparse
//   partial/HASH.cv               what came of such a blob without proof (unproven_logs.h)
//   partial/import-N.data .obao4  imports, without a hash yet; removed at opening
//
// What the files hold: protocol/formats.md, section 8.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/hash.h"

namespace blobd::store {

struct FilePair {
  std::string data;
  std::string outboard;
  std::string unproven_log = {};  // of a partial blob; empty for others
};

class Layout {
 public:
  explicit Layout(std::string state_dir) : root_(std::move(state_dir)) {}

  const std::string& root() const { return root_; }
  std::string database() const { return root_ + "/store.db"; }
  std::string blobs() const { return root_ + "/blobs"; }
  std::string partial() const { return root_ + "/partial"; }
  std::string DirectoryOf(const Hash& hash) const;
  FilePair Complete(const Hash& hash) const { return Pair(DirectoryOf(hash) + "/" + hash.ToHex()); }
  FilePair Partial(const Hash& hash) const;
  FilePair Import(uint64_t number) const;

 private:
  static FilePair Pair(const std::string& stem) { return {stem + ".data", stem + ".obao4", {}}; }
  std::string root_;
};

// The blob a file in partial/ or blobs/ belongs to; nullopt for any other name.
std::optional<Hash> HashOfPartialName(std::string_view name);
bool IsImportName(std::string_view name);

}  // namespace blobd::store
