#include "inode.h"

#include <algorithm>

namespace blobd::faults {
namespace {

uint64_t PagesOf(uint64_t size) { return (size + kPageSize - 1) / kPageSize; }

}  // namespace

void Image::Resize(uint64_t size) {
  if (size < bytes.size() && size % kPageSize != 0 && size / kPageSize < pages.size()) {
    // What a later extension of the same page shows is zeros.
    const uint64_t page_end = std::min<uint64_t>(bytes.size(), PagesOf(size) * kPageSize);
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(size),
              bytes.begin() + static_cast<ptrdiff_t>(page_end), uint8_t{0});
  }
  bytes.resize(size);
  pages.resize(PagesOf(size));
}

void Image::Write(uint64_t offset, ByteView data) {
  if (data.empty()) return;
  if (offset + data.size() > bytes.size()) Resize(offset + data.size());
  std::copy(data.begin(), data.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
  for (uint64_t page = offset / kPageSize; page < PagesOf(offset + data.size()); ++page)
    pages[page] = true;
}

uint64_t Inode::used() const {
  return kPageSize *
         static_cast<uint64_t>(std::count(cache_.pages.begin(), cache_.pages.end(), true));
}

void Inode::Write(uint64_t offset, ByteView data) {
  if (data.empty()) return;
  cache_.Write(offset, data);
  // A page is written whole. That shows only where the disk has not what the cache says.
  uint64_t begin = offset;
  uint64_t end = offset + data.size();
  for (uint64_t page = offset / kPageSize; !stale_.empty() && page < PagesOf(end); ++page) {
    if (stale_.erase(page) == 0) continue;
    begin = std::min(begin, page * kPageSize);
    end = std::max(end, std::min(size(), (page + 1) * kPageSize));
  }
  const auto from = cache_.bytes.begin();
  unsynced_.push_back(
      {false, begin,
       Bytes(from + static_cast<ptrdiff_t>(begin), from + static_cast<ptrdiff_t>(end))});
}

void Inode::Truncate(uint64_t size) {
  if (size == this->size()) return;
  cache_.Resize(size);
  unsynced_.push_back({true, size, {}});
}

void Inode::Sync() {
  for (const Change& change : unsynced_) {
    if (change.is_truncation) {
      durable_.Resize(change.offset);
    } else {
      durable_.Write(change.offset, change.bytes);
    }
  }
  unsynced_.clear();
}

void Inode::FailSync(const Ending& ending, Rng& rng) {
  // The length is kept in memory, and not what could not be written.
  Image settled = Settle(unsynced_.size(), ending, rng);
  if (rng.Chance(0.5)) {
    cache_ = settled;
  } else {
    for (uint64_t page = 0; page < cache_.pages.size(); ++page) {
      const uint64_t begin = page * kPageSize;
      const uint64_t end = std::min(size(), begin + kPageSize);
      const bool is_same = std::equal(cache_.bytes.begin() + static_cast<ptrdiff_t>(begin),
                                      cache_.bytes.begin() + static_cast<ptrdiff_t>(end),
                                      settled.bytes.begin() + static_cast<ptrdiff_t>(begin));
      if (!is_same) stale_.insert(page);
    }
  }
  durable_ = std::move(settled);
  unsynced_.clear();
}

void Inode::LosePower(const Ending& ending, Rng& rng) {
  // Sizes change in order, as a journal keeps them; bytes get to the disk in any.
  if (!unsynced_.empty()) durable_ = Settle(rng.Below(unsynced_.size() + 1), ending, rng);
  cache_ = durable_;
  unsynced_.clear();
  stale_.clear();
}

void Inode::EvictStale() {
  for (const uint64_t page : stale_) {
    const uint64_t end = std::min((page + 1) * kPageSize, size());
    for (uint64_t at = page * kPageSize; at < end; ++at)
      cache_.bytes[at] = at < durable_.bytes.size() ? durable_.bytes[at] : 0;
  }
  stale_.clear();
}

void Inode::Rot(uint64_t offset) {
  for (Image* image : {&cache_, &durable_}) {
    if (offset < image->bytes.size()) image->bytes[offset] ^= 0x10;
  }
}

Image Inode::Settle(size_t sizes, const Ending& ending, Rng& rng) const {
  Image image = durable_;
  SettleSizes(sizes, image);
  // All or nothing is likelier than dice for each sector alone would make it.
  const uint64_t fate = rng.Below(4);
  if (fate == 0) return image;
  const double loss = fate == 1 ? 0 : 0.1 * static_cast<double>(1 + rng.Below(9));
  std::set<uint64_t> sectors;
  for (const Change& change : unsynced_) {
    const uint64_t end = change.is_truncation ? change.offset : change.end();
    for (uint64_t at = change.offset / ending.sector; at * ending.sector < end; ++at)
      sectors.insert(at * ending.sector);
  }
  for (const uint64_t sector : sectors) {
    if (sector >= image.bytes.size()) break;
    SettleSector(sector, sizes, loss, ending, rng, image);
  }
  return image;
}

void Inode::SettleSizes(size_t changes, Image& image) const {
  for (size_t i = 0; i < changes; ++i) {
    const Change& change = unsynced_[i];
    if (change.is_truncation) {
      image.Resize(change.offset);
    } else if (change.end() > image.bytes.size()) {
      image.Resize(change.end());
    }
  }
}

// Gives the sector one of the contents it had in the cache since the last sync.
void Inode::SettleSector(uint64_t begin, size_t sizes, double loss, const Ending& ending, Rng& rng,
                         Image& image) const {
  const uint64_t end = std::min<uint64_t>(begin + ending.sector, image.bytes.size());
  std::vector<const Change*> versions;
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const Change& change = unsynced_[i];
    if (change.is_truncation) {
      if (change.offset >= end) continue;
      // Cutting the file is on the disk, and so nothing written before; or nothing behind it is.
      if (i >= sizes) break;
      versions.clear();
      continue;
    }
    if (change.offset < end && change.end() > begin) versions.push_back(&change);
  }
  if (versions.empty()) return;
  const bool was_hole = image.IsHole(begin / kPageSize);
  const size_t count = rng.Chance(loss) ? rng.Below(versions.size() + 1) : versions.size();
  for (size_t i = 0; i < count; ++i) {
    const Change& change = *versions[i];
    const uint64_t from = std::max(begin, change.offset);
    const uint64_t to = std::min(end, change.end());
    image.Write(from, ByteView(change.bytes).subspan(from - change.offset, to - from));
  }
  if (count > 0 || !was_hole || !ending.has_noise) return;
  Bytes noise(end - begin);
  for (uint8_t& byte : noise) byte = static_cast<uint8_t>(rng.Next());
  image.Write(begin, noise);
}

}  // namespace blobd::faults
