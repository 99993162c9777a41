// Inode: one file of the simulated disk: its bytes as the page cache has them, as the disk has
// them, and the changes in between, in order.
//
// Thread: one.
// Units:  bytes; pages are 4 KiB, sectors what the disk writes at once.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/rng.h"

namespace blobd::faults {

inline constexpr uint64_t kPageSize = 4096;

// Bytes, and which pages are no hole.
struct Image {
  Bytes bytes;
  std::vector<bool> pages;

  void Resize(uint64_t size);
  void Write(uint64_t offset, ByteView data);
  bool IsHole(uint64_t page) const { return page >= pages.size() || !pages[page]; }
};

class Inode {
 public:
  // How unsynced changes end.
  struct Ending {
    uint64_t sector = 512;
    bool has_noise = false;  // what was given room and never written reads as noise, else as zeros
  };

  explicit Inode(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const Image& cache() const { return cache_; }
  uint64_t size() const { return cache_.bytes.size(); }
  uint64_t used() const;  // bytes of pages that are no hole

  void Write(uint64_t offset, ByteView data);
  void Truncate(uint64_t size);
  // Everything is on the disk now.
  void Sync();
  // The kernel could not write: some sectors got to the disk, and none is tried again. Their pages
  // stay in the cache as if clean, or are read anew.
  void FailSync(const Ending& ending, Rng& rng);
  // The cache is gone; any part of what was not synced got to the disk.
  void LosePower(const Ending& ending, Rng& rng);
  // Pages that only seem clean are read from the disk again.
  void EvictStale();
  // Changes a byte on the disk and in the cache.
  void Rot(uint64_t offset);

 private:
  struct Change {
    bool is_truncation = false;
    uint64_t offset = 0;  // of a truncation: the new size
    Bytes bytes;
    uint64_t end() const { return offset + bytes.size(); }
  };
  // `durable_` with the first `sizes` changes of its length, and any of those of its bytes.
  Image Settle(size_t sizes, const Ending& ending, Rng& rng) const;
  void SettleSizes(size_t changes, Image& image) const;
  void SettleSector(uint64_t begin, size_t sizes, double loss, const Ending& ending, Rng& rng,
                    Image& image) const;

  const std::string name_;
  Image cache_;
  Image durable_;
  std::vector<Change> unsynced_;
  std::set<uint64_t> stale_;  // pages that seem clean, but are not what the disk has
};

}  // namespace blobd::faults
